import torch
from torch import nn

torch.manual_seed(12)
# push a discrete policy towards high entropy among the allowed moves
allowed = torch.rand(40, 6) > 0.4
allowed[:, 0] = True
obs = torch.randn(40, 5)
net = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 6))
net[-1].weight.data.mul_(20)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    logits = net(obs).masked_fill(~allowed, -1e9)
    dist = torch.distributions.Categorical(logits=logits)
    loss = -dist.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            "loss",
            round(loss.item(), 4),
            "best possible",
            round(-allowed.sum(1).float().log().mean().item(), 4),
        )
