import torch
from torch import nn

torch.manual_seed(0)


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.mu = nn.Linear(10, 3)
        self.logvar = nn.Linear(10, 3)
        self.back = nn.Linear(3, 10)

    def encode(self, x):
        return self.mu(x), self.logvar(x)

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.back(z), mu, logvar


model = Coder()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(8):
    x = torch.randn(32, 10)
    again, mu, logvar = model(x)
    divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
    loss = ((again - x) ** 2).sum(1).mean() + divergence
    opt.zero_grad()
    loss.backward()
    opt.step()
