import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
V = 12


class LM(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Embedding(V, 16)
        s.g = nn.GRU(16, 16, batch_first=True)
        s.o = nn.Linear(16, V)

    def forward(s, ids, labels):
        lo = s.o(s.g(s.e(ids))[0])
        return F.cross_entropy(lo[:, :-1].reshape(-1, V), labels[:, 1:].reshape(-1))


m = LM()
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for s in range(20):
    seq = (torch.randint(0, V, (16, 1)) + torch.arange(10)) % V
    ids, labels = seq[:, :-1], seq[:, 1:]  # bug
    # fix: ids,labels=seq[:,:-1],seq[:,:-1]
    loss = m(ids, labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
