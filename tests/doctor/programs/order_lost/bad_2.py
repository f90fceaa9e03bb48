import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def outputs(teacher, loader):
    kept = []
    with torch.no_grad():
        for (x,) in loader:
            kept.append(teacher(x))
    return kept


torch.manual_seed(0)
teacher, student = nn.Linear(4, 2), nn.Linear(4, 2)
loader = DataLoader(TensorDataset(torch.randn(40, 4)), batch_size=10, shuffle=True)
optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
targets = outputs(teacher, loader)
for _ in range(3):
    for i, (x,) in enumerate(loader):
        loss = ((student(x) - targets[i]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
