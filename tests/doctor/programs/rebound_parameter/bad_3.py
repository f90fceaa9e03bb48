import torch

torch.manual_seed(0)
x = torch.rand(20, 2)
y = x.sum(1, keepdim=True)
model = torch.nn.Linear(2, 1)
for epoch in range(10):
    loss = ((model(x) - y) ** 2).mean()
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p = p - 0.1 * p.grad
