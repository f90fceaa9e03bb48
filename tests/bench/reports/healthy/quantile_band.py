import torch
import torch.nn as nn

torch.manual_seed(109)
QS = torch.tensor([0.1, 0.5, 0.9])
net = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 3))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    x = torch.rand(256, 1) * 4
    y = x + (0.2 + 0.3 * x) * torch.randn(256, 1)
    diff = y - net(x)
    loss = torch.maximum(QS * diff, (QS - 1) * diff).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            f"step {step} pinball {loss.item():.4f} below {[round(v, 2) for v in (diff < 0).float().mean(0).tolist()]}"
        )
