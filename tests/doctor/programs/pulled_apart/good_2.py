import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
users, items = nn.Embedding(20, 8), nn.Embedding(40, 8)
opt = torch.optim.Adam([*users.parameters(), *items.parameters()], lr=0.02)
for _ in range(8):
    u = torch.randint(0, 20, (64,))
    liked, other = 2 * u % 40, torch.randint(0, 40, (64,))
    pos_score = (users(u) * items(liked)).sum(1)
    neg_score = (users(u) * items(other)).sum(1)
    loss = -F.logsigmoid(pos_score - neg_score).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
