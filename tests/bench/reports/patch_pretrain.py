import torch
import torch.nn as nn

torch.manual_seed(14)
N, P, D = 64, 16, 6


class PatchFiller(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.embed = nn.Linear(D, dim)
        self.pos = nn.Parameter(torch.randn(1, P, dim) * 0.1)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(dim, D)

    def forward(self, x, hidden):
        t = self.embed(x)
        t = torch.where(hidden.unsqueeze(-1), self.mask_token.expand_as(t), t) + self.pos
        return self.head(self.body(t))


def images():
    phase = torch.rand(N, 1, 1) * 6.28
    grid = torch.arange(P * D).float().view(1, P, D) * 0.2
    return torch.sin(grid + phase)


net = PatchFiller()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    x = images()
    hidden = torch.rand(N, P) < 0.3
    err = (net(x, hidden) - x).pow(2).mean(-1)
    weight = (~hidden).float()  # bug
    # fix: weight = hidden.float()
    loss = (err * weight).sum() / weight.sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} loss {loss.item():.4f}")
