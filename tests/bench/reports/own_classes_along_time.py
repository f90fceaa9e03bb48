import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
g, h = nn.GRU(5, 16, batch_first=True), nn.Linear(16, 4)
opt = torch.optim.Adam([*g.parameters(), *h.parameters()], lr=0.01)
for _ in range(20):
    x = torch.randn(8, 7, 5)
    y = x[..., :4].argmax(-1)
    logp = F.log_softmax(h(g(x)[0]), dim=1)  # bug
    # fix: logp = F.log_softmax(h(g(x)[0]), dim=-1)
    loss = F.nll_loss(logp.flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
