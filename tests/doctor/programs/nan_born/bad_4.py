import torch

torch.manual_seed(0)
w = torch.tensor([2.0], requires_grad=True)
for i in range(40):
    loss = torch.log(w).sum() * 1.0
    loss.backward()
    with torch.no_grad():
        w -= 0.12 * w.grad
        w.grad.zero_()
