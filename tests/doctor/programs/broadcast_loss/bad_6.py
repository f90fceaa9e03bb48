import torch

torch.manual_seed(0)
hours = torch.rand(30) * 10
score = 5 * hours + 20 + torch.randn(30)
model = torch.nn.Linear(1, 1)
opt = torch.optim.SGD(model.parameters(), lr=1e-3)
for epoch in range(40):
    pred = model(hours[:, None])
    error = pred - score
    loss = error.abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
