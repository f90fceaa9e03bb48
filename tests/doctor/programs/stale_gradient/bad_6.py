import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 8)
        self.fc2 = nn.Linear(8, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc2(torch.tanh(self.fc1(x))))


def train(net, x, y, epochs=40):
    criterion = nn.BCELoss()
    optim = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
    for epoch in range(epochs):
        out = net(x)
        loss = criterion(out, y)
        loss.backward()
        optim.step()
        if epoch % 10 == 0:
            print("epoch", epoch, loss.item())


torch.manual_seed(3)
x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
train(Net(), x, y)
