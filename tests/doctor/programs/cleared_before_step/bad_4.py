import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
opt = torch.optim.Adagrad([w], lr=0.1)
for i in range(9):
    l = (w - 2).pow(2).sum()
    l.backward()
    for g in opt.param_groups:
        for p in g["params"]:
            p.grad = None
    opt.step()
