import torch
from torch import nn

torch.manual_seed(13)
DAYS = 1024
PERIODS = [7.0, 3.5, 7 / 3, 30.4, 90.0, 365.0]
DIM = 2 * len(PERIODS)
MODEL_DTYPE = torch.bfloat16


class Clock(nn.Module):
    def __init__(self, days, dtype):
        super().__init__()
        freq = 2 * torch.pi / torch.tensor(PERIODS)
        t = torch.arange(days, dtype=dtype)  # bug
        # fix: t = torch.arange(days, dtype=torch.float32)
        ang = torch.outer(t.float(), freq)
        self.register_buffer("table", torch.cat([ang.sin(), ang.cos()], 1).to(dtype))

    def forward(self, day):
        return self.table[day]


class Load(nn.Module):
    def __init__(self):
        super().__init__()
        self.clock = Clock(DAYS, MODEL_DTYPE)
        self.net = nn.Sequential(nn.Linear(DIM, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, day):
        return self.net(self.clock(day).float()).squeeze(-1)


week = torch.tensor([1.0, 0.6, 0.9, 1.4, 0.2, -1.8, -2.3])


def load_of(day):
    return week[day % 7] + 0.3 * torch.sin(day * 2 * torch.pi / 90)


model = Load()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(80):
    day = torch.randint(0, DAYS, (256,))
    loss = (model(day) - load_of(day)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    err = (model(torch.arange(DAYS)) - load_of(torch.arange(DAYS))).pow(2)
print("final loss", round(loss.item(), 4))
for a in range(0, DAYS, 256):
    print(f"days {a:4d}..{a + 255}: mse {err[a : a + 256].mean().item():.4f}")
