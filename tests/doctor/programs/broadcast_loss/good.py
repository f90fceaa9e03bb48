import torch

torch.manual_seed(0)
x = torch.rand(30, 1)
y = 3 * x.squeeze() + 10
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(12):
    pred = model(x).squeeze(1)
    loss = ((pred - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
