import torch
from torch import nn


EPS = 1e-8  # bug
# fix: EPS = 1e-6


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, eps=EPS):
        super().__init__()
        self.gamma, self.eps = gamma, eps

    def forward(self, logit, y):
        p = torch.sigmoid(logit).clamp(self.eps, 1 - self.eps)
        loss = y * (1 - p).pow(self.gamma) * p.log() + (1 - y) * p.pow(self.gamma) * (1 - p).log()
        return -loss.mean()


torch.manual_seed(71)
model = nn.Linear(5, 1)
criterion = FocalLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=2.0, momentum=0.9)
x = torch.randn(300, 5) * torch.tensor([6.0, 1.0, 1.0, 1.0, 1.0])
y = (x[:, :1] + 0.2 * x[:, 1:2] > 0).float()
for it in range(60):
    sel = torch.randint(0, 300, (64,))
    loss = criterion(model(x[sel]), y[sel])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 10 == 9:
        print("it", it, "loss", loss.item(), "largest weight", model.weight.abs().max().item())
