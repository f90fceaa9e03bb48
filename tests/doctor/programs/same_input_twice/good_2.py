import copy
import torch
from torch import nn

torch.manual_seed(0)
value = nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Linear(24, 1))
opt = torch.optim.Adam(value.parameters(), lr=0.01)
place, memory = torch.zeros(3), []
for _ in range(200):
    before = place.clone()
    place = 0.9 * place + 0.3 * torch.randn(3)
    memory.append((before, place.sum(), place.clone()))
for _ in range(8):
    rows = torch.randint(0, 200, (32,)).tolist()
    s = torch.stack([memory[i][0] for i in rows])
    r = torch.stack([memory[i][1] for i in rows])
    after = torch.stack([memory[i][2] for i in rows])
    with torch.no_grad():
        goal = r + 0.9 * value(after).squeeze(1)
    loss = ((value(s).squeeze(1) - goal) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
