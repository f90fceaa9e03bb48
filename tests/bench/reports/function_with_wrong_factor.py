import torch
from torch import nn

torch.manual_seed(220)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * (s + s * (1 - s))  # bug
        # fix: return grad * (s + x * s * (1 - s))


first, second = nn.Linear(4, 16), nn.Linear(16, 1)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.05)
x = torch.randn(64, 4)
y = (x**2).sum(1, keepdim=True) / 4
for epoch in range(6):
    for rows in torch.randperm(64).split(16):
        loss = ((second(Swish.apply(first(x[rows]))) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
