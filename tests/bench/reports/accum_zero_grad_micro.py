import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(37)

ACCUM = 4


class AutoEncoder(nn.Module):
    def __init__(self, d=24, code=4):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(d, 48), nn.SiLU(), nn.Linear(48, code))
        self.dec = nn.Sequential(nn.Linear(code, 48), nn.SiLU(), nn.Linear(48, d))

    def forward(self, x):
        return self.dec(self.enc(x))


factors = torch.randn(480, 4)
x_all = torch.tanh(factors @ torch.randn(4, 24)) + 0.05 * torch.randn(480, 24)
loader = DataLoader(TensorDataset(x_all), batch_size=8, shuffle=True)

model = AutoEncoder()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

update = 0
optimizer.zero_grad(set_to_none=True)
for epoch in range(3):
    running = 0.0
    for i, (x,) in enumerate(loader):
        optimizer.zero_grad(set_to_none=True)  # bug
        loss = F.mse_loss(model(x), x)
        (loss / ACCUM).backward()
        running += loss.item()

        if (i + 1) % ACCUM == 0:
            optimizer.step()
            # fix: optimizer.zero_grad(set_to_none=True)
            update += 1
    print(f"epoch {epoch} updates {update} loss {running / len(loader):.4f}")
