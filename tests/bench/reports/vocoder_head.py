import math
import warnings
import torch
from torch import nn
from torch.nn.utils import weight_norm

warnings.filterwarnings("ignore")
torch.manual_seed(7)


def init_weights(m):
    if isinstance(m, nn.Conv1d):
        fan = m.in_channels * m.kernel_size[0]
        m.weight.data.normal_(0.0, math.sqrt(2.0 / fan))
        m.bias.data.zero_()


def conv(cin, cout):
    c = nn.Conv1d(cin, cout, 3, padding=1)  # bug
    # fix: c = nn.Conv1d(cin, cout, 3, padding=1)
    # fix: init_weights(c)
    c = weight_norm(c)
    init_weights(c)  # bug
    return c


class Upper(nn.Module):
    def __init__(self, depth=18, width=16):
        super().__init__()
        layers = [conv(4, width), nn.LeakyReLU(0.1)]
        for _ in range(depth):
            layers += [conv(width, width), nn.LeakyReLU(0.1)]
        self.net = nn.Sequential(*layers)
        self.out = conv(width, 1)

    def forward(self, mel):
        return self.out(self.net(mel))


def wave(n, t=48):
    grid = torch.linspace(0, 6.28, t)
    f = torch.rand(n, 4) * 3 + 1
    mel = torch.sin(f[:, :, None] * grid)
    return mel, (mel[:, :1] * mel[:, 1:2] + 0.5 * mel[:, 2:3])


g = Upper()
opt = torch.optim.AdamW(g.parameters(), lr=1e-3, betas=(0.8, 0.99))
for step in range(60):
    mel, y = wave(16)
    pred = g(mel)
    loss = (pred - y).abs().mean()
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    if step % 12 == 0 or step == 59:
        print(f"step {step} l1 {loss.item():.4f} out std {pred.std().item():.5f}")
