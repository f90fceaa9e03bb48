import copy
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(14)
blobs = torch.randn(6, 16) * 2
student = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 12))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
centre = torch.zeros(12)
opt = torch.optim.AdamW(student.parameters(), lr=3e-3)
for step in range(80):
    base = blobs[torch.randint(0, 6, (96,))]
    v1, v2 = base + 0.5 * torch.randn_like(base), base + 0.5 * torch.randn_like(base)
    with torch.no_grad():
        t1, t2 = teacher(v1), teacher(v2)
        p1, p2 = ((t1 - centre) / 0.04).softmax(1), ((t2 - centre) / 0.04).softmax(1)
    s1, s2 = (student(v1) / 0.1).log_softmax(1), (student(v2) / 0.1).log_softmax(1)
    loss = -0.5 * ((p2 * s1).sum(1).mean() + (p1 * s2).sum(1).mean())
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for a, b in zip(teacher.parameters(), student.parameters()):
            a.mul_(0.96).add_(b, alpha=0.04)
        centre.mul_(0.9).add_(torch.cat([t1, t2]).mean(0), alpha=0.1)
    if step % 16 == 15:
        print(step, round(loss.item(), 4), "used outputs", len(p1.argmax(1).unique()))
