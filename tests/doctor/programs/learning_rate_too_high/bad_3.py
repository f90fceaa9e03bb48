import torch

torch.manual_seed(0)
area = torch.rand(40, 1) * 30 + 20  # square metres, not scaled
price = 3 * area + 10
model = torch.nn.Linear(1, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(30):
    loss = torch.nn.functional.mse_loss(model(area), price)
    opt.zero_grad()
    loss.backward()
    opt.step()
