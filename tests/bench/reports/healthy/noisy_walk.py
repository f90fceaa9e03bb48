import torch
from torch import nn

torch.manual_seed(16)
N, LR = 200, 2e-4
x = torch.randn(N, 3)
y = x @ torch.tensor([1.0, -1.0, 0.5]) + 0.5 * torch.randn(N)
net = nn.Linear(3, 1)
kept = []
for step in range(80):
    idx = torch.randint(0, N, (50,))
    nll = (net(x[idx]).squeeze(1) - y[idx]).pow(2).sum() / (2 * 0.25) * (N / 50)
    prior = sum(p.pow(2).sum() for p in net.parameters()) / 2
    energy = nll + prior
    net.zero_grad(set_to_none=True)
    energy.backward()
    with torch.no_grad():
        for p in net.parameters():
            # posterior sampling: half a step downhill plus noise of the matching size
            p.add_(-0.5 * LR * p.grad + LR**0.5 * torch.randn_like(p))
    if step >= 40:
        kept.append(net.weight.detach().clone())
    if step % 16 == 15:
        print(step, round(energy.item(), 2))
print("posterior mean", torch.cat(kept).mean(0).tolist())
