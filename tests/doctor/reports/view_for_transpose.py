import torch
from torch import nn

torch.manual_seed(202)


class Wavelet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 5, padding=2)
        self.out = nn.Linear(8, 2)

    def forward(self, series):
        batch, time, channels = series.shape
        series = series.view(batch, channels, time)  # bug
        # fix: series = series.transpose(1, 2)
        return self.out(torch.relu(self.conv(series)).amax(2))


model = Wavelet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
waves = torch.randn(80, 20, 3).cumsum(1)
kind = (waves[:, -1, 0] > waves[:, -1, 1]).long()
for epoch in range(6):
    for rows in torch.randperm(80).split(16):
        loss = nn.functional.cross_entropy(model(waves[rows]), kind[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
