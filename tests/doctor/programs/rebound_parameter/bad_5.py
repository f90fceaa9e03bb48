import torch

torch.manual_seed(0)
x = torch.rand(50)
y = 2 * x - 1
params = {"a": torch.zeros(1, requires_grad=True), "b": torch.zeros(1, requires_grad=True)}
for t in range(20):
    pred = params["a"] * x + params["b"]
    loss = ((pred - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for k in params:
            params[k] = params[k] - 0.1 * params[k].grad
