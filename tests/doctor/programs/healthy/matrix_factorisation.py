import torch

torch.manual_seed(0)
R = torch.rand(12, 9)
mask = torch.rand(12, 9) < 0.5
U = torch.randn(12, 3).mul_(0.1).requires_grad_()
V = torch.randn(9, 3).mul_(0.1).requires_grad_()
for i in range(40):
    err = (U @ V.t() - R)[mask]
    loss = err.pow(2).mean() + 1e-3 * (U.norm() + V.norm())
    gu, gv = torch.autograd.grad(loss, [U, V])
    with torch.no_grad():
        U -= 0.5 * gu
        V -= 0.5 * gv
