import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def train(net, batches):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(2):
        optimizer.zero_grad()  # once an epoch, not once a batch
        for inputs, labels in batches:
            loss = F.cross_entropy(net(inputs), labels)
            loss.backward()
            optimizer.step()


torch.manual_seed(0)
data = [(torch.randn(6, 4), torch.randint(0, 3, (6,))) for _ in range(8)]
train(Net(), data)
