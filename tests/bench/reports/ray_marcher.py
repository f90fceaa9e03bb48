# a tiny radiance field along rays in the plane
import torch
import torch.nn as nn

torch.manual_seed(1)
n_samples = 12
near, far = 0.0, 2.0


def encode(p, bands=4):
    out = [p]
    for k in range(bands):
        out += [torch.sin(2**k * p), torch.cos(2**k * p)]
    return torch.cat(out, -1)


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(18, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
        )

    def forward(self, p):
        o = self.f(encode(p))
        return nn.functional.softplus(o[..., 0] + 1.0), torch.sigmoid(o[..., 1:])


def render(field, origin, direction):
    t = torch.linspace(near, far, n_samples)
    pts = origin[:, None] + t[None, :, None] * direction[:, None]
    sigma, rgb = field(pts)
    delta = torch.cat([t[1:] - t[:-1], torch.tensor([1e3])])
    alpha = 1 - torch.exp(-sigma * delta)
    trans = torch.cumprod(1 - alpha + 1e-10, -1)  # bug
    # fix: trans = torch.cumprod(1 - alpha + 1e-10, -1)
    # fix: trans = torch.cat([torch.ones_like(trans[:, :1]), trans[:, :-1]], -1)
    w = alpha * trans
    return (w[..., None] * rgb).sum(1), w.sum(1)


def scene(n):
    ang = torch.rand(n) * 6.28
    d = torch.stack([ang.cos(), ang.sin()], -1)
    colour = torch.stack([0.55 + 0.4 * ang.cos(), 0.55 + 0.4 * ang.sin(), 0.9 * torch.ones(n)], -1)
    return torch.zeros(n, 2), d, colour


field = Field()
opt = torch.optim.Adam(field.parameters(), lr=5e-3)
for it in range(80):
    o, d, c = scene(128)
    img, acc = render(field, o, d)
    loss = ((img - c) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 16 == 15:
        print(
            it,
            "mse",
            round(loss.item(), 5),
            "opacity",
            round(acc.mean().item(), 3),
            "blue",
            round(img[:, 2].mean().item(), 3),
        )
