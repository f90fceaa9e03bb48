import torch

w = torch.tensor(2.0, requires_grad=True)
for i in range(4):
    w.backward()
    print(w.grad)
    w.grad = None
