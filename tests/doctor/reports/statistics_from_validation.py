import torch
from torch import nn

torch.manual_seed(114)


class Hourglass(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv1d(2, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU())
        self.up = nn.Conv1d(8, 1, 3, padding=1)

    def forward(self, x):
        return self.up(self.down(x))


net = Hourglass()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
train, valid = torch.randn(64, 2, 16), torch.randn(16, 2, 16) + 1


def run(data, phase):
    net.train()  # bug
    # fix: net.train(phase == "train")
    goal = data.sum(1, keepdim=True)
    with torch.set_grad_enabled(phase == "train"):
        loss = nn.functional.mse_loss(net(data), goal)
    if phase == "train":
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


for epoch in range(6):
    for rows in train.split(16):
        run(rows, "train")
    print(run(valid, "valid"))
