import torch

torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(10):
    prediction = model(x).data
    loss = ((prediction - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
