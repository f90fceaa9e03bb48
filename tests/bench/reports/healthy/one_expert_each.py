import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)


class Switch(nn.Module):
    def __init__(self, d=4, n=4):
        super().__init__()
        self.gate = nn.Linear(d, n)
        self.experts = nn.ModuleList(nn.Linear(d, 1) for _ in range(n))

    def forward(self, x):
        p = self.gate(x).softmax(-1)
        top, idx = p.max(-1)
        out = x.new_zeros(len(x), 1)
        for i, e in enumerate(self.experts):
            rows = (idx == i).nonzero().squeeze(1)
            if len(rows):
                out = out.index_add(0, rows, e(x[rows]) * top[rows, None])
        share = F.one_hot(idx, p.shape[1]).float().mean(0)
        return out.squeeze(1), (share * p.mean(0)).sum() * p.shape[1]


net = Switch()
opt = torch.optim.Adam(net.parameters(), lr=2e-2)
slopes = torch.tensor([[2.0, 0, 0, 0], [-2.0, 0, 1, 0]])
for step in range(80):
    x = torch.randn(128, 4)
    y = (x * slopes[(x[:, 1] > 0).long()]).sum(1)
    out, balance = net(x)
    loss = F.mse_loss(out, y) + 0.01 * balance
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 19:
        print(step, round(loss.item(), 4), "balance", round(balance.item(), 3))
