import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(42)


class AdaptedLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update."""

    def __init__(self, base, rank=4, alpha=8.0):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.empty(base.out_features, rank))
        self.scaling = alpha / rank
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.zeros_(self.down)  # bug
        # fix: nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        nn.init.zeros_(self.up)

    def forward(self, x):
        return self.base(x) + (x @ self.down.T @ self.up.T) * self.scaling


base_in, base_out = nn.Linear(8, 32), nn.Linear(32, 3)
model = nn.Sequential(AdaptedLinear(base_in), nn.ReLU(), AdaptedLinear(base_out))
rule = torch.randn(8, 3)

trainable = [p for p in model.parameters() if p.requires_grad]
print("trainable tensors:", len(trainable), "gain", round(math.sqrt(2), 3))
optimizer = torch.optim.AdamW(trainable, lr=1e-2)

for step in range(60):
    x = torch.randn(128, 8)
    y = (x @ rule).argmax(dim=1)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} loss {loss.item():.4f}")
