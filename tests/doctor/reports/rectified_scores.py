import torch
from torch import nn

torch.manual_seed(130)


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 30)
        self.fc2 = nn.Linear(30, 6)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))  # bug
        # fix: x = self.fc2(x)
        return torch.log_softmax(x, dim=1)


model = Digits()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(120, 12)
y = x[:, :6].argmax(1)
for epoch in range(20):
    loss = nn.functional.nll_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
