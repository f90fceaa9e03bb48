import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.randn(5, 3)
opt = torch.optim.SGD([w], lr=0.1)
for i in range(8):
    l = (x @ w).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    with torch.no_grad():
        w /= w.norm()
