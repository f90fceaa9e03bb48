import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
teacher = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
student = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.Adam(student.parameters(), lr=0.01)
for i in range(40):
    x = torch.randn(32, 4)
    y = x[:, :3].argmax(1)
    t = teacher(x)
    s = student(x)
    loss = F.cross_entropy(s, y) + F.kl_div(
        F.log_softmax(s, 1), F.softmax(t, 1), reduction="batchmean"
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
