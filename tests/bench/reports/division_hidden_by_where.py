import torch

torch.manual_seed(302)
radius = torch.cat([torch.zeros(4), torch.rand(60) * 3])
seen = torch.where(radius == 0, torch.ones(()), torch.sin(2 * radius) / (2 * radius))
seen = seen + 0.01 * torch.randn(64)
width = torch.tensor(1.2, requires_grad=True)
height = torch.tensor(0.5, requires_grad=True)
optimizer = torch.optim.Adam([width, height], lr=0.05)


def profile(r):
    x = width * r
    return torch.where(r == 0, torch.ones(()), torch.sin(x) / x)  # bug
    # fix: safe = torch.where(r == 0, torch.ones(()), x)
    # fix: return torch.where(r == 0, torch.ones(()), torch.sin(safe) / safe)


for step in range(20):
    loss = ((height * profile(radius) - seen) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item(), width.item())
