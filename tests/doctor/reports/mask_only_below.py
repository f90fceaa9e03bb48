import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(35)
VOCAB, PROMPT, ANSWER, PAD = 20, 6, 4, 3


def agg_loss(loss_mat, loss_mask, mode="token-mean"):
    if mode == "token-mean":
        return loss_mat.sum() / loss_mask.sum()  # bug
        # fix: return (loss_mat * loss_mask).sum() / loss_mask.sum()
    if mode == "seq-mean-token-sum":
        return (loss_mat * loss_mask).sum(-1).mean()
    raise ValueError(mode)


class Gru(nn.Module):
    def __init__(self, dim=48):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.rnn = nn.GRU(dim, dim, batch_first=True)
        self.lm_head = nn.Linear(dim, VOCAB)

    def forward(self, ids):
        return self.lm_head(self.rnn(self.embed(ids))[0])


def build(n):
    """the answer repeats the first prompt tokens shifted by one in the vocabulary"""
    prompt = torch.randint(3, VOCAB, (n, PROMPT))
    answer = torch.where(prompt[:, :ANSWER] + 1 < VOCAB, prompt[:, :ANSWER] + 1, 3)
    pad = torch.randint(0, 3, (n, PAD))
    ids = torch.cat([prompt, answer, pad], dim=1)
    mask = torch.zeros(ids.shape)
    mask[:, PROMPT : PROMPT + ANSWER] = 1
    return ids, mask


def train(steps=8, batch=32):
    model = Gru()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(steps):
        ids, mask = build(batch)
        logits, labels, loss_mask = model(ids[:, :-1]), ids[:, 1:], mask[:, 1:]
        loss_mat = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        loss = agg_loss(loss_mat, loss_mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 40 == 39:
            right = ((logits.argmax(-1) == labels).float() * loss_mask).sum() / loss_mask.sum()
            print(f"step {step + 1}: loss {loss.item():.4f} answer accuracy {right.item():.3f}")


train()
