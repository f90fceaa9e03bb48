import torch

torch.manual_seed(0)
w = torch.randn(2, dtype=torch.complex64, requires_grad=True)
o = torch.optim.Adam([w], lr=0.1)
for i in range(8):
    l = (w - 1).abs().pow(2).sum()
    o.zero_grad()
    l.backward()
    o.step()
