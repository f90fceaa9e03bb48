import torch

torch.manual_seed(0)
centers = torch.randn(6, requires_grad=True)
weights = torch.randn(6, requires_grad=True)
x = torch.linspace(-2, 2, 6).reshape(6, 1)
y = torch.sin(x.squeeze(1))
optimizer = torch.optim.Adam([centers, weights], lr=0.02)
for i in range(10):
    features = torch.exp(-((x - centers) ** 2))
    loss = ((features @ weights - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
