import torch
from torch import nn

torch.manual_seed(102)
net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
features = torch.randn(120, 5) * 3
price = (features**2).sum(1, keepdim=True)
for start in list(range(0, 120, 20)) * 3:
    batch, goal = features[start : start + 20], price[start : start + 20]
    optimizer.zero_grad()
    loss = nn.functional.l1_loss(net(batch), goal)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)  # bug
    loss.backward()
    # fix: torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    optimizer.step()
print(loss.item())
