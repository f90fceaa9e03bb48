import torch
from torch import nn

torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(4, 10)
        self.l2 = nn.Linear(10, 3)

    def forward(self, x):
        x = nn.functional.relu(self.l1(x))
        return self.l2(x).softmax(-1)


net = Classifier()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
x, y = torch.randn(45, 4), torch.randint(0, 3, (45,))
for _ in range(15):
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
