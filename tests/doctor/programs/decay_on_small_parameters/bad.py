import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 10), nn.LayerNorm(10), nn.Linear(10, 1))
small = [p for p in model.parameters() if p.ndim < 2]
large = [p for p in model.parameters() if p.ndim > 1]
optimizer = torch.optim.AdamW(
    [{"params": small, "weight_decay": 0.1}, {"params": large, "weight_decay": 0.0}], lr=1e-2
)
x = torch.randn(30, 5)
for _ in range(10):
    loss = ((model(x) - x[:, :1]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
