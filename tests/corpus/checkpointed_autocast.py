"""A hand loop: bfloat16 autocast, activation checkpointing and weights averaged over steps."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(8)
x, y = torch.randn(64, 16), torch.randn(64, 4)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 16), nn.SiLU(), nn.Dropout(0.1))
            for _ in range(4)
        )
        self.head = nn.Linear(16, 4)

    def forward(self, h):
        for block in self.blocks:
            h = h + checkpoint(block, h, use_reentrant=False)
        return self.head(h)


net = Deep()
averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, foreach=True)
print("begin")
for step in range(25):
    at = torch.randint(64, (16,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x[at])
    loss = nn.functional.huber_loss(out.float(), y[at])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    averaged.update_parameters(net)
    print(step, loss.item())
averaged.eval()
print("end", averaged(x[:2]).tolist(), torch.rand(1).item())
