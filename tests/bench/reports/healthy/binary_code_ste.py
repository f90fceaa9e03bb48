# Healthy: binary autoencoder; sign() has a straight-through backward that is clipped on purpose, so numerical gradients would differ
import torch
from torch import nn

torch.manual_seed(7)


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryAutoencoder(nn.Module):
    def __init__(self, n, bits):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(n, 64), nn.ReLU(), nn.Linear(64, bits))
        self.dec = nn.Sequential(nn.Linear(bits, 64), nn.ReLU(), nn.Linear(64, n))

    def forward(self, x):
        code = Sign.apply(self.enc(x))
        return self.dec(code), code


patterns = torch.randn(16, 20)
model = BinaryAutoencoder(20, 8)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(300):
    x = patterns[torch.randint(0, 16, (64,))] + 0.05 * torch.randn(64, 20)
    rec, code = model(x)
    loss = (rec - x).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 60 == 59:
        print(
            f"step {step + 1} loss {loss.item():.4f} distinct codes {code.unique(dim=0).shape[0]}"
        )
