import torch
from torch import nn

torch.manual_seed(121)
net = nn.Sequential(nn.Embedding(30, 16, padding_idx=0), nn.Linear(16, 30))
opt = torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.01)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(s / 10, max(0.0, (70 - s) / 60)))
for step in range(70):
    ids = torch.randint(1, 30, (32, 6))
    ids[torch.arange(6)[None] >= torch.randint(2, 7, (32, 1))] = 0
    nxt = torch.where(ids > 0, ids % 29 + 1, 0)
    total = nn.functional.cross_entropy(
        net(ids).flatten(0, 1), nxt.flatten(), ignore_index=0, reduction="sum"
    )
    loss = total / (nxt > 0).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 14 == 0 or step == 69:
        print(f"step {step} loss {loss.item():.4f} rate {opt.param_groups[0]['lr']:.5f}")
    sched.step()
