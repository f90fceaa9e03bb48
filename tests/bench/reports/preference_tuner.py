import torch
import torch.nn as nn
import torch.nn.functional as F
import copy

torch.manual_seed(3)
VOCAB, LEN, BETA = 12, 6, 0.5


class TinyLM(nn.Module):
    def __init__(self, vocab, dim=24):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.rnn = nn.GRU(dim, dim, batch_first=True)
        self.out = nn.Linear(dim, vocab)

    def forward(self, ids):
        h, _ = self.rnn(self.emb(ids))
        return self.out(h)


def seq_logp(model, ids):
    logits = model(ids[:, :-1])
    lp = F.log_softmax(logits, -1)
    return lp.gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1).sum(1)


def make_pairs(n):
    chosen = torch.randint(0, 6, (n, LEN))
    rejected = torch.randint(6, VOCAB, (n, LEN))
    rejected[:, 0] = chosen[:, 0]
    return chosen, rejected


policy = TinyLM(VOCAB)
reference = policy  # bug
# fix: reference = copy.deepcopy(policy)
opt = torch.optim.Adam(policy.parameters(), lr=3e-3)
chosen, rejected = make_pairs(64)

for step in range(50):
    idx = torch.randperm(64)[:32]
    c, r = chosen[idx], rejected[idx]
    with torch.no_grad():
        ref_c, ref_r = seq_logp(reference, c), seq_logp(reference, r)
    pol_c, pol_r = seq_logp(policy, c), seq_logp(policy, r)
    margin = (pol_c - ref_c) - (pol_r - ref_r)
    loss = -F.logsigmoid(BETA * margin).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:3d} loss {loss.item():.4f} margin {margin.mean().item():.3f}")
