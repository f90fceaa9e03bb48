import io
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 4)
y = x @ torch.randn(4, 1)


def build():
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    return net, torch.optim.Adam(net.parameters(), lr=0.02)


def train(net, opt, steps):
    for _ in range(steps):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()


net, opt = build()
train(net, opt, 5)
file = io.BytesIO()
torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "step": 15}, file)
file.seek(0)
state = torch.load(file)
net, opt = build()
net.load_state_dict(state["net"])
opt.load_state_dict(state["opt"])
train(net, opt, 5)
