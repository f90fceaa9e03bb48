import torch
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.classes = nn.Linear(8, 3)
        self.value = nn.Linear(8, 1)

    def forward(self, x):
        h = torch.relu(self.body(x))
        return self.classes(h), self.value(h).squeeze(-1)


torch.manual_seed(0)
net = TwoHeads()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(10):
    x = torch.randn(9, 4)
    logits, value = net(x)
    loss_c = nn.functional.cross_entropy(logits, (x[:, 0] > 0).long())
    loss_v = nn.functional.mse_loss(value, x.sum(1))
    optimizer.zero_grad()
    loss_c.backward(retain_graph=True)
    loss_v.backward()
    optimizer.step()
