import torch

model = torch.nn.Linear(2, 1)
model(torch.ones(3, 2)).sum().backward()
