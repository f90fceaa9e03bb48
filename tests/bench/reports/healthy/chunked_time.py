import torch
import torch.nn as nn

torch.manual_seed(4)
gru = nn.GRU(1, 24, batch_first=True)
head = nn.Linear(24, 1)
params = list(gru.parameters()) + list(head.parameters())
opt = torch.optim.Adam(params, lr=5e-3)
phase = torch.rand(16, 1) * 6.28
t = torch.arange(401) * 0.2
series = torch.sin(t[None] + phase).unsqueeze(-1)
for lap in range(4):
    h = None
    total = 0.0
    for s in range(0, 400, 20):
        x, y = series[:, s : s + 20], series[:, s + 1 : s + 21]
        if h is not None:
            h = h.detach()
        out, h = gru(x, h)
        loss = (head(out) - y).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        total += loss.item()
    print("lap", lap, "mean loss", total / 20)
