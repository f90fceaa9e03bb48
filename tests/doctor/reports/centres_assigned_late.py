import torch
from torch import nn

torch.manual_seed(135)


class Clusters(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 3)
        self.centres = nn.Parameter(torch.zeros(4, 3))

    def forward(self, x):
        distance = torch.cdist(self.encoder(x), self.centres) ** 2
        return (1 / (1 + distance)) / (1 / (1 + distance)).sum(1, keepdim=True)


model = Clusters()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
x = torch.randn(80, 6)
with torch.no_grad():
    start = model.encoder(x[:4]).clone()
    model.centres = nn.Parameter(start)  # bug
    # fix: model.centres.copy_(start)
for step in range(25):
    q = model(x)
    p = (q**2 / q.sum(0)).detach()
    loss = nn.functional.kl_div(q.log(), p / p.sum(1, keepdim=True), reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
