import torch

torch.manual_seed(0)


class M:
    def __init__(s):
        s.w = torch.randn(2, requires_grad=True)
        s.b = torch.zeros(1, requires_grad=True)

    def f(s, x):
        return x @ s.w + s.b


m = M()
x = torch.randn(9, 2)
y = x.sum(1)
for i in range(5):
    l = (m.f(x) - y).pow(2).mean()
    l.backward()
    with torch.no_grad():
        m.w = m.w - 0.1 * m.w.grad
        m.b = m.b - 0.1 * m.b.grad
