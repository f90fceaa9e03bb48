import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(18)


class Quantizer(nn.Module):
    def __init__(self, n_codes=16, dim=4, beta=0.25):
        super().__init__()
        self.codebook = nn.Parameter(torch.randn(n_codes, dim) * 0.5)
        self.beta = beta

    def forward(self, inputs):
        dist = torch.cdist(inputs, self.codebook)
        idx = dist.argmin(dim=1)
        quantized = self.codebook[idx]
        quantized = inputs + (quantized - inputs).detach()  # bug
        commit = F.mse_loss(inputs, quantized.detach())
        embed = F.mse_loss(quantized, inputs.detach())
        # fix: quantized = inputs + (quantized - inputs).detach()
        return quantized, embed + self.beta * commit, idx


class VQAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4), nn.Tanh())
        self.vq = Quantizer()
        self.dec = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        q, vq_loss, idx = self.vq(self.enc(x))
        return self.dec(q), vq_loss, idx


centres = torch.randn(8, 10) * 1.5


def sample(n):
    return centres[torch.randint(0, 8, (n,))] + 0.1 * torch.randn(n, 10)


model = VQAE()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)

for step in range(60):
    x = sample(128)
    recon, vq_loss, idx = model(x)
    rec_loss = F.mse_loss(recon, x)
    loss = rec_loss + vq_loss
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0 or step == 59:
        print(
            f"step {step:2d} rec {rec_loss.item():.4f} vq {vq_loss.item():.4f} codes {idx.unique().numel()}"
        )
