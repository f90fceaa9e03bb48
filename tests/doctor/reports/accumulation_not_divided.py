import torch
from torch import nn

torch.manual_seed(121)
model = nn.Sequential(nn.Embedding(20, 12), nn.Flatten(), nn.Linear(36, 20))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
text = torch.randint(0, 20, (400,))
micro_steps = 5
for iteration in range(12):
    for micro in range(micro_steps):
        places = torch.randint(0, 396, (16,))
        context = torch.stack([text[p : p + 3] for p in places])
        loss = nn.functional.cross_entropy(model(context), text[places + 3])  # bug
        # fix: loss = nn.functional.cross_entropy(model(context), text[places + 3]) / micro_steps
        loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print(loss.item())
