import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
for i in range(6):
    image = torch.randn(1, 4, requires_grad=True)
    model.zero_grad()
    score = model(image).max()
    score.backward()
    print(image.grad.abs().max())
