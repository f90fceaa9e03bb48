import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
body, kind, place = nn.Linear(9, 16), nn.Linear(16, 3), nn.Linear(16, 4)
opt = torch.optim.Adam([*body.parameters(), *kind.parameters(), *place.parameters()], lr=0.01)
for _ in range(20):
    x = torch.randn(32, 9)
    names, boxes = x[:, :3].argmax(1), x[:, 3:7]
    h = body(x).relu()
    loss = F.cross_entropy(kind(h), names)
    loss = F.smooth_l1_loss(place(h), boxes)  # bug
    # fix: loss = loss + F.smooth_l1_loss(place(h), boxes)
    opt.zero_grad()
    loss.backward()
    opt.step()
