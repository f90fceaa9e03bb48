import torch
from torch import nn

torch.manual_seed(112)
gen = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
disc = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
opt_gen = torch.optim.Adam(gen.parameters(), lr=1e-3)
opt_disc = torch.optim.Adam(disc.parameters(), lr=1e-3)
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(30):
    real = torch.randn(32, 2) * 0.5 + 2
    fake = gen(torch.randn(32, 3))
    g_loss = bce(disc(fake), ones)
    g_loss.backward()
    opt_gen.step()
    opt_gen.zero_grad()
    # fix: opt_disc.zero_grad()
    d_loss = bce(disc(real), ones) + bce(disc(fake.detach()), zeros)
    d_loss.backward()
    opt_disc.step()  # bug
    # fix: opt_disc.step()
    opt_disc.zero_grad()
print(g_loss.item(), d_loss.item())
