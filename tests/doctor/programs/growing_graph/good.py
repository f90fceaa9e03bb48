import torch

torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
total = 0
for epoch in range(14):
    loss = (model(x) - y).abs().mean()
    total = total + loss.item()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(total)
