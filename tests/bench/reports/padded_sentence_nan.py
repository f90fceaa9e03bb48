import torch
from torch import nn

torch.manual_seed(21)
PAD, VOCAB, MAXLEN = 0, 40, 12


def synth(n):
    """label says whether the 'positive' words (ids under 10) outnumber the others"""
    docs, labels = [], []
    for i in range(n):
        length = int(torch.randint(3, MAXLEN + 1, (1,)))
        if i % 40 == 17:
            length = 0
        p = 0.2 if i % 2 else 0.6
        low = torch.randint(1, 10, (length,))
        high = torch.randint(10, VOCAB, (length,))
        docs.append(torch.where(torch.rand(length) < p, low, high))
        labels.append(i % 2)
    return docs, torch.tensor(labels)


def collate(docs):
    out = torch.full((len(docs), MAXLEN), PAD)
    for row, d in enumerate(docs):
        out[row, : len(d)] = d
    return out


class ReviewClassifier(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.attn = nn.MultiheadAttention(dim, 2, batch_first=True)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, 2)

    def forward(self, tokens):
        pad = tokens == PAD
        # fix: pad[pad.all(dim=1), 0] = False
        h = self.embed(tokens)
        a, _ = self.attn(h, h, h, key_padding_mask=pad)
        h = self.norm(h + a)
        keep = (~pad).unsqueeze(-1)
        pooled = (h * keep).sum(1) / keep.sum(1).clamp(min=1)
        return self.out(pooled)


docs, labels = synth(320)
model = ReviewClassifier()
opt = torch.optim.AdamW(model.parameters(), lr=4e-3)
crit = nn.CrossEntropyLoss()
for epoch in range(6):
    model.train()
    losses, hits = [], 0
    for ids in torch.randperm(320).split(32):
        tokens = collate([docs[i] for i in ids.tolist()])
        logits = model(tokens)
        loss = crit(logits, labels[ids])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
        hits += (logits.argmax(1) == labels[ids]).sum().item()
    print(
        f"[ Epoch {epoch} ] loss {sum(losses) / len(losses):8.4f}  accuracy {100 * hits / 320:.1f} %"
    )
