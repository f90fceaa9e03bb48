import torch

torch.manual_seed(0)
a = torch.randn(2, requires_grad=True)
b = torch.randn(2, requires_grad=True)
oa = torch.optim.SGD([a], lr=0.1)
ob = torch.optim.SGD([b], lr=0.1)
for i in range(12):
    l = (a * b - 1).pow(2).sum()
    o = oa if i % 2 else ob
    oa.zero_grad()
    ob.zero_grad()
    l.backward()
    o.step()
