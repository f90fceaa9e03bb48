import torch
from torch import nn

torch.manual_seed(307)


class Gather(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.query, self.key = nn.Linear(size, 8), nn.Linear(size, 8)
        self.value = nn.Linear(size, size)

    def forward(self, nodes):
        energy = self.query(nodes) @ self.key(nodes).transpose(1, 2)
        weight = torch.softmax(energy, dim=-1).sum(dim=-1)  # bug
        # fix: weight = torch.softmax(energy, dim=-1).sum(dim=-2)
        return (weight[..., None] * self.value(nodes)).mean(1)


gather, head = Gather(6), nn.Linear(6, 3)
optimizer = torch.optim.Adam([*gather.parameters(), *head.parameters()], lr=1e-2)
nodes = torch.randn(60, 5, 6)
label = nodes[:, :, 0].argmax(1) % 3
for epoch in range(5):
    for rows in torch.randperm(60).split(20):
        loss = nn.functional.cross_entropy(head(gather(nodes[rows])), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
