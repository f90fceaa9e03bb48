import torch
from torch import nn

torch.manual_seed(2)
critic = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))
gen = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
oc = torch.optim.RMSprop(critic.parameters(), lr=2e-3)
og = torch.optim.RMSprop(gen.parameters(), lr=2e-3)
target = torch.tensor([1.5, -0.5])
for it in range(60):
    for _ in range(4):
        real = target + 0.3 * torch.randn(64, 2)
        fake = gen(torch.randn(64, 3)).detach()
        c_loss = critic(fake).mean() - critic(real).mean()
        oc.zero_grad()
        c_loss.backward()
        oc.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-0.1, 0.1)
    g_loss = -critic(gen(torch.randn(64, 3))).mean()
    og.zero_grad()
    g_loss.backward()
    og.step()
    if it % 12 == 11:
        with torch.no_grad():
            print(
                it,
                "critic",
                round(c_loss.item(), 4),
                "gen",
                round(g_loss.item(), 4),
                gen(torch.randn(500, 3)).mean(0).tolist(),
            )
