import torch
from torch import nn

torch.manual_seed(106)
teacher = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.4), nn.Linear(64, 5))
student = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))
teacher.requires_grad_(False)
# fix: teacher.eval()
optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
x = torch.randn(96, 8)
for epoch in range(20):
    for batch in x.split(32):
        with torch.no_grad():
            wanted = (teacher(batch) / 2.0).softmax(1)  # bug
            # fix: wanted = (teacher(batch) / 2.0).softmax(1)
        got = (student(batch) / 2.0).log_softmax(1)
        loss = nn.functional.kl_div(got, wanted, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
