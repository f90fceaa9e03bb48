# Healthy: whole residual blocks are skipped at random in a step, so their parameters have gradient None now and then
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(14)


class DropPathNet(nn.Module):
    def __init__(self, width=32, depth=5, survive=0.6):
        super().__init__()
        self.stem = nn.Linear(6, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 1)
        self.survive = [1 - i / (depth - 1) * (1 - survive) for i in range(depth)]

    def forward(self, x):
        h = self.stem(x)
        for keep, block in zip(self.survive, self.blocks):
            if not self.training:
                h = h + keep * block(h)
            elif torch.rand(()) < keep:
                h = h + block(h)
        return self.head(h).squeeze(-1)


model = DropPathNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
x_val = torch.randn(256, 6)
target = lambda x: torch.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2]
for step in range(300):
    model.train()
    x = torch.randn(64, 6)
    loss = F.mse_loss(model(x), target(x))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    skipped = sum(p.grad is None for p in model.parameters())
    optimizer.step()
    if step % 60 == 59:
        model.eval()
        with torch.no_grad():
            val = F.mse_loss(model(x_val), target(x_val)).item()
        print(
            f"step {step + 1} train {loss.item():.4f} val {val:.4f} parameters without gradient {skipped}"
        )
