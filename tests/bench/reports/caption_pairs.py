import torch
from torch import nn

torch.manual_seed(2)
D, H, S, Lq = 32, 4, 14, 3


class Grounder(nn.Module):
    """queries read a clip whose frames beyond its length are filler"""

    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.randn(Lq, D) * 0.1)
        self.inp = nn.Linear(8, D)
        self.att = nn.MultiheadAttention(D, H, batch_first=True)
        self.out = nn.Linear(Lq * D, 8)

    def forward(self, frames, length):
        b = frames.shape[0]
        mem = self.inp(frames)
        hide = torch.arange(S)[None] >= length[:, None]
        mask = hide[:, None, :].expand(b, Lq, S)
        mask = mask.repeat(H, 1, 1)  # bug
        # fix: mask = mask.repeat_interleave(H, dim=0)
        y, _ = self.att(self.query.expand(b, -1, -1), mem, mem, attn_mask=mask)
        return self.out(y.reshape(b, -1))


def clips(n):
    length = torch.randint(2, S + 1, (n,))
    x = torch.randn(n, S, 8) + torch.randn(n, 1, 8)
    keep = (torch.arange(S)[None] < length[:, None]).float()
    mean = (x * keep[..., None]).sum(1) / length[:, None]
    filler = 6 * torch.randn(n, S, 8)
    return x * keep[..., None] + filler * (1 - keep[..., None]), length, mean


net = Grounder()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
run = []
for it in range(80):
    x, length, goal = clips(64)
    loss = nn.functional.mse_loss(net(x, length), goal)
    opt.zero_grad()
    loss.backward()
    opt.step()
    run.append(loss.item())
    if it % 20 == 19:
        print(it, "mse over last 20:", round(sum(run[-20:]) / 20, 4))
x, length, goal = clips(200)
net.eval()
with torch.no_grad():
    a = net(x, length)
    b = torch.cat([net(x[i : i + 1], length[i : i + 1]) for i in range(200)])
print(
    "batched vs alone",
    (a - b).abs().max().item(),
    "mse",
    (a - goal).pow(2).mean().item(),
)
