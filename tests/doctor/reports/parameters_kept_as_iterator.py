import torch
from torch import nn

torch.manual_seed(147)


class Gd:
    def __init__(self, parameters, lr):
        self.parameters, self.lr = parameters, lr  # bug
        # fix: self.parameters, self.lr = list(parameters), lr

    def step(self):
        with torch.no_grad():
            for parameter in self.parameters:
                parameter -= self.lr * parameter.grad

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None


model = nn.Linear(3, 1)
optimizer = Gd(model.parameters(), 0.05)
x = torch.randn(40, 3)
y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
for t in range(30):
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
