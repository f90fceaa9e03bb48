import torch
import numpy as np

torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(12, 3)
target = np.random.RandomState(0).randn(12, 2)
for _ in range(10):
    out = model(x).detach().numpy()
    loss = torch.from_numpy(((out - target) ** 2).mean(keepdims=True)).requires_grad_()
    opt.zero_grad()
    loss.backward()
    opt.step()
