import torch
from torch import nn

torch.manual_seed(3)
n = 80
side = torch.arange(n) // 40
p = torch.where(side[:, None] == side[None], 0.25, 0.03)
adj = (torch.rand(n, n) < p).float().triu(1)
adj = adj + adj.T + torch.eye(n)
feats = torch.randn(n, 8) + side[:, None] * 0.6
labels = side.clone()
labelled = torch.randperm(n)[:24]


def transition(a, power):
    degs = torch.diag(a.sum(1))  # bug
    # fix: degs = torch.diag(a.sum(1).pow(-1.0))
    step = degs @ a
    mats = [torch.eye(len(a))]
    for _ in range(power):
        mats.append(mats[-1] @ step)
    return mats


class WalkNet(nn.Module):
    def __init__(self, hops):
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(hops + 1))
        self.lin = nn.Linear(8, 2)

    def forward(self, x, mats):
        att = self.mix.softmax(0)
        return self.lin(sum(w * (m @ x) for w, m in zip(att, mats)))


mats = transition(adj, 3)
net = WalkNet(3)
opt = torch.optim.Adam(net.parameters(), lr=0.05)
for epoch in range(60):
    out = net(feats, mats)
    loss = nn.functional.cross_entropy(out[labelled], labels[labelled])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 12 == 0 or epoch == 59:
        print(
            epoch,
            "loss",
            round(loss.item(), 4),
            "acc",
            round((out.argmax(1) == labels).float().mean().item(), 3),
            "row sum",
            round(mats[2].sum(1).mean().item(), 2),
        )
