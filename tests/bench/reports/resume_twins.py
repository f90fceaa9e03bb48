import copy
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self, d=12):
        super().__init__()
        self.enc = nn.Linear(d, d)
        self.dec = nn.Linear(d, d)
        nn.init.normal_(self.dec.weight, std=0.003)

    def forward(self, x):
        return self.dec(100 * torch.tanh(self.enc(x)))


def make_opt(model, parts):
    return torch.optim.Adam(
        [{"params": getattr(model, p).parameters()} for p in parts],
        lr=2e-3,
        betas=(0.9, 0.999),
    )


def fit(model, opt, steps, w, name):
    for i in range(steps):
        x = torch.randn(64, 12)
        loss = (model(x) - torch.tanh(x @ w)).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 8 == 7 or (name == "second" and i < 4):
            print(name, i, f"{loss.item():.4f}")


torch.manual_seed(50)
w = torch.randn(12, 12) * 0.3
first = Pair()
opt = make_opt(first, ["enc", "dec"])
fit(first, opt, 15, w, "first")
saved = copy.deepcopy({"model": first.state_dict(), "optim": opt.state_dict()})

second = Pair()
second.load_state_dict(saved["model"])
opt2 = make_opt(second, ["dec", "enc"])  # bug
# fix: opt2 = make_opt(second, ["enc", "dec"])
opt2.load_state_dict(saved["optim"])
fit(second, opt2, 32, w, "second")
