import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(19)

GAMMA = -10.0  # bug
# fix: GAMMA = 10.0
STEPS = 60


class GradReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, coeff):
        ctx.coeff = coeff
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.coeff, None


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 12), nn.Tanh())

    def forward(self, x):
        return self.net(x)


def draw(n, shift):
    y = torch.randint(0, 2, (n,))
    x = torch.randn(n, 6)
    x[:, 0] += 2.0 * (2 * y.float() - 1)
    x[:, 1:3] += shift
    return x, y


encoder = Encoder()
label_head = nn.Linear(12, 2)
domain_head = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 2))
params = list(encoder.parameters()) + list(label_head.parameters()) + list(domain_head.parameters())
optimizer = torch.optim.SGD(params, lr=0.05, momentum=0.9)

for step in range(STEPS):
    p = step / STEPS
    coeff = 2.0 / (1.0 + math.exp(-GAMMA * p)) - 1.0
    xs, ys = draw(64, 0.0)
    xt, _ = draw(64, 1.5)
    hs, ht = encoder(xs), encoder(xt)
    class_loss = F.cross_entropy(label_head(hs), ys)
    both = GradReverse.apply(torch.cat([hs, ht]), coeff)
    domain = torch.cat([torch.zeros(64), torch.ones(64)]).long()
    domain_loss = F.cross_entropy(domain_head(both), domain)
    loss = class_loss + domain_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == STEPS - 1:
        print(f"step {step:2d}  class {class_loss.item():.4f}  domain {domain_loss.item():.4f}")
