import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(128, 5, 3)
y = (x.sum((1, 2)) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
g, h = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 2)
opt = torch.optim.Adam([*g.parameters(), *h.parameters()], lr=0.01)
state = None
for epoch in range(5):
    for a, b in loader:
        out, state = g(a, state)  # bug
        state = state.detach()  # bug
        # fix: out, _ = g(a)
        loss = nn.functional.cross_entropy(h(out[:, -1]), b)
        opt.zero_grad()
        loss.backward()
        opt.step()
