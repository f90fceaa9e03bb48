import torch

torch.manual_seed(4)

x = torch.linspace(-2, 2, 64).unsqueeze(1)
y = 1.7 * x - 0.6 + 0.1 * torch.randn_like(x)

w = torch.randn(1, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr = 0.05


def model(inp):
    return inp @ w + b


def mean_squared(pred, target):
    diff = pred - target
    return (diff * diff).sum() / diff.numel()


history = []
for epoch in range(50):
    pred = model(x)
    loss = mean_squared(pred, y)
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
        # fix: w.grad.zero_()
        # fix: b.grad.zero_()
    history.append(loss.item())
    if epoch % 5 == 0 or epoch == 49:
        print(f"epoch {epoch:2d}  loss {loss.item():.5f}  w {w.item():.3f}  b {b.item():.3f}")

print("best", min(history))
