import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(322)


class Pictures(Dataset):
    def __init__(self, raw, label):
        self.raw, self.label = raw, label

    def __len__(self):
        return len(self.raw)

    def __getitem__(self, i):
        return self.raw[i].float() / 255, self.label[i]


raw = torch.randint(0, 256, (96, 1, 8, 8), dtype=torch.uint8)
label = (raw[:, 0, :4].float().mean((1, 2)) > raw[:, 0, 4:].float().mean((1, 2))).long()
model = nn.Sequential(
    nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 16), nn.ReLU(), nn.Linear(16, 2)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for picture, wanted in DataLoader(Pictures(raw, label), batch_size=24, shuffle=True):
        loss = nn.functional.cross_entropy(model(picture / 255), wanted)  # bug
        # fix: loss = nn.functional.cross_entropy(model(2 * picture - 1), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
