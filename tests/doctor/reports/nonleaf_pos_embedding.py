import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(34)
rng = np.random.default_rng(34)

PATCHES, PATCH_DIM, DIM = 16, 9, 32


class PatchClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(PATCH_DIM, DIM)
        table = 0.2 * rng.standard_normal((1, PATCHES, DIM))
        self.pos = nn.Parameter(torch.from_numpy(table)).float()  # bug
        # fix: self.pos = nn.Parameter(torch.from_numpy(table).float())
        self.mix = nn.Sequential(nn.Linear(DIM, 64), nn.GELU(), nn.Linear(64, DIM))
        self.head = nn.Linear(DIM, 4)

    def forward(self, patches):
        x = self.embed(patches) + self.pos
        return self.head(self.mix(x).mean(dim=1))


def images(n):
    """A bright patch, the label is the quadrant it lies in."""
    where = torch.randint(0, PATCHES, (n,))
    x = 0.3 * torch.randn(n, PATCHES, PATCH_DIM)
    x[torch.arange(n), where] += 1.5
    row, col = where // 4, where % 4
    return x, (row // 2) * 2 + col // 2


model = PatchClassifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(60):
    x, y = images(128)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} loss {loss.item():.4f}")
