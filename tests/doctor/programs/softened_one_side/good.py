import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
teacher, student = nn.Linear(8, 4).requires_grad_(False), nn.Linear(8, 4)
optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
for _ in range(6):
    x = torch.randn(32, 8)
    soft = F.softmax(teacher(x) / 4.0, dim=1)
    said = F.log_softmax(student(x) / 4.0, dim=1)
    loss = 16 * F.kl_div(said, soft, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
