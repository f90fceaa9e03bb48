"""torch.optim.LBFGS: logistic regression with weight decay, strong Wolfe line search."""

import torch

torch.manual_seed(0)
x = torch.randn(80, 5)
y = (x @ torch.tensor([1.5, -2.0, 0.0, 0.5, 1.0]) + 0.3 * torch.randn(80) > 0).float()
model = torch.nn.Linear(5, 1)
loss_fn = torch.nn.BCEWithLogitsLoss()
optimizer = torch.optim.LBFGS(
    model.parameters(), lr=0.8, max_iter=6, history_size=5, line_search_fn="strong_wolfe"
)


def closure():
    optimizer.zero_grad()
    decay = sum(p.pow(2).sum() for p in model.parameters())
    loss = loss_fn(model(x).squeeze(1), y) + 1e-2 * decay
    loss.backward()
    return loss


print("begin")
for epoch in range(12):
    loss = optimizer.step(closure)
    print(epoch, loss.item())
print("end", [p.tolist() for p in model.parameters()], torch.rand(1).item())
