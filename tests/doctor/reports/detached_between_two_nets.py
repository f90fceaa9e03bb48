import torch
from torch import nn

torch.manual_seed(144)
locate = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 4))
recognise = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.Adam([*locate.parameters(), *recognise.parameters()], lr=5e-3)
image = torch.randn(60, 10)
digit = image[:, :3].argmax(1)
for epoch in range(20):
    box = locate(image)
    scores = recognise(torch.tensor(box.tolist()))  # bug
    # fix: scores = recognise(box)
    loss = nn.functional.cross_entropy(scores, digit)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
