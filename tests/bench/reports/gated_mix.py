import torch
from torch import nn

torch.manual_seed(55)
DTYPE = torch.float64


class GatedMix(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mixing = nn.Parameter(torch.zeros(dim)).to(DTYPE)  # bug
        # fix: self.mixing = nn.Parameter(torch.zeros(dim).to(DTYPE))
        self.left = nn.Linear(dim, dim, dtype=DTYPE)
        self.right = nn.Linear(dim, dim, dtype=DTYPE)

    def forward(self, x):
        g = torch.sigmoid(self.mixing)
        return g * torch.tanh(self.left(x)) + (1 - g) * self.right(x).pow(2)


mod = GatedMix(6)
optimizer = torch.optim.RMSprop(mod.parameters(), lr=5e-3)
x = torch.randn(256, 6, dtype=DTYPE)
target = torch.where(torch.arange(6) < 3, torch.tanh(3 * x), x.roll(1, 1).pow(2))
for step in range(60):
    loss = nn.functional.mse_loss(mod(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 12 == 11:
        print("step", step, "loss %.4f" % loss.item())
