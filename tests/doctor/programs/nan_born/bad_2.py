import torch
import torch.nn as nn

torch.manual_seed(0)
model = nn.Linear(2, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 2) * 200
y = torch.randint(0, 3, (8,))
for epoch in range(5):
    scores = torch.exp(model(x))
    probabilities = scores / scores.sum(1, keepdim=True)
    loss = -torch.log(probabilities[range(8), y]).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
