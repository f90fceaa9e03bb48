import torch

torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loss_fn = torch.nn.MSELoss()

for epoch in range(12):
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
