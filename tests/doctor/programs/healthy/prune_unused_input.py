# optimise an input, the model's own parameters stay as they are
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).requires_grad_(False)
image = torch.zeros(1, 8, requires_grad=True)
opt = torch.optim.Adam([image], lr=0.1)
for _ in range(25):
    loss = nn.functional.cross_entropy(net(image), torch.tensor([2])) + 0.01 * image.pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        image.clamp_(-1, 1)
