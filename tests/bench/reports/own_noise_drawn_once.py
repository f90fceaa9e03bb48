import torch
from torch import nn

torch.manual_seed(0)


class Coder(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.into = nn.Linear(10, 6)
        self.back = nn.Linear(3, 10)
        self.eps = torch.randn(rows, 3)  # bug

    def forward(self, x):
        mu, logvar = self.into(x).chunk(2, 1)
        z = mu + (0.5 * logvar).exp() * self.eps  # bug
        # fix: z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
        return self.back(z), mu, logvar


model = Coder(32)
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(30):
    x = torch.randn(32, 10)
    again, mu, logvar = model(x)
    divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
    loss = ((again - x) ** 2).sum(1).mean() + divergence
    opt.zero_grad()
    loss.backward()
    opt.step()
