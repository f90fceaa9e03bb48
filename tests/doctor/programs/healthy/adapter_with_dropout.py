import torch
from torch import nn

torch.manual_seed(0)


class Adapted(nn.Module):
    """A frozen layer beside a trained branch with dropout."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(6, 6).requires_grad_(False)
        self.down, self.up = nn.Linear(6, 2, bias=False), nn.Linear(2, 6, bias=False)
        self.drop = nn.Dropout(0.1)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + 2 * self.up(self.down(self.drop(x)))


norm, net = nn.LayerNorm(6).requires_grad_(False), Adapted()
head = nn.Linear(6, 6, bias=False).requires_grad_(False)
optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-2)
x = torch.randn(32, 6)
y = x.argmax(1)
for step in range(6):
    loss = nn.functional.cross_entropy(head(norm(net(norm(x)))), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
