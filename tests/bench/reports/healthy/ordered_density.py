import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(120)
D, H = 8, 64


class MaskedLinear(nn.Linear):
    def set_mask(self, m):
        self.register_buffer("mask", m)
        return self

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


order_in, order_hid = torch.arange(D), torch.arange(H) % (D - 1)
m1 = (order_hid[:, None] >= order_in[None]).float()
m2 = (order_in[:, None] > order_hid[None]).float()
net = nn.Sequential(MaskedLinear(D, H).set_mask(m1), nn.ReLU(), MaskedLinear(H, D).set_mask(m2))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    first = torch.randint(0, 2, (128, 1)).float()
    flips = (torch.rand(128, D) < 0.1).float()
    x = (first + flips.cumsum(1)) % 2
    loss = F.binary_cross_entropy_with_logits(net(x), x, reduction="none").sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} nats {loss.item():.4f}")
