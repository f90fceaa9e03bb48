"""A model and its optimizer are put aside together, as a state to go back to."""

import copy

import torch

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(net.parameters(), 0.02)
x = torch.randn(32, 4)
y = x.sum(1, keepdim=True)
best, kept = float("inf"), None
for _ in range(12):
    loss = ((net(x) - y) ** 2).mean()
    if loss.item() < best:
        best, kept = loss.item(), copy.deepcopy((net, optimizer))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(best, kept is not None)
