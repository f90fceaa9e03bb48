import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 16, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = x.data.view(x.size(0), -1)
        return self.fc(x)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
images, labels = torch.randn(24, 1, 4, 4), torch.randint(0, 3, (24,))
for epoch in range(12):
    opt.zero_grad()
    loss = nn.CrossEntropyLoss()(net(images), labels)
    loss.backward()
    opt.step()
