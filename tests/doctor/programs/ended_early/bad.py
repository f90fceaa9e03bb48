import torch

model = torch.nn.Linear(2, 1)
print(model(torch.ones(3, 2)))
