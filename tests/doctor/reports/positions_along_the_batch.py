import math

import torch
from torch import nn

torch.manual_seed(129)


class Trajectory(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        place = torch.arange(64).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(100.0) / width))
        table = torch.zeros(64, 1, width)
        table[:, 0, 0::2], table[:, 0, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
        self.register_buffer("table", table)
        self.mix = nn.GRU(width, 16, batch_first=True)
        self.next = nn.Linear(16, 5)

    def forward(self, visits):
        visits = visits + self.table[: visits.size(0)]  # bug
        # fix: visits = visits + self.table[: visits.size(1)].transpose(0, 1)
        hidden, _ = self.mix(visits)
        return self.next(hidden[:, -1])


model = Trajectory()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
visits = torch.randn(45, 6, 8)
goal = visits[:, 0, :5].argmax(1)
for epoch in range(10):
    for rows in torch.randperm(45).split(15):
        loss = nn.functional.cross_entropy(model(visits[rows]), goal[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
