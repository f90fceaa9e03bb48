import torch
import torch.nn as nn

torch.manual_seed(70)


def quantise(z):
    z = 4 * torch.tanh(z)
    return z + (torch.round(z) - z)  # bug
    # fix: return z + (torch.round(z) - z).detach()


class Codec(nn.Module):
    def __init__(self, d=16, bits=3):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, 32), nn.ReLU(), nn.Linear(32, bits))
        self.decoder = nn.Sequential(nn.Linear(bits, 32), nn.ReLU(), nn.Linear(32, d))

    def forward(self, x):
        return self.decoder(quantise(self.encoder(x)))


basis = torch.randn(3, 16)
codec = Codec()
opt = torch.optim.Adam(codec.parameters(), lr=5e-3)
for step in range(80):
    x = torch.randn(128, 3) @ basis
    loss = (codec(x) - x).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} loss {loss.item():.4f}")
