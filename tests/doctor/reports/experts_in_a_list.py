import torch
from torch import nn

torch.manual_seed(111)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlps = [nn.Linear(5, 8) for _ in range(3)]  # bug
        # fix: self.mlps = nn.ModuleList(nn.Linear(5, 8) for _ in range(3))
        self.join = nn.Linear(24, 1)

    def forward(self, x):
        return self.join(torch.cat([torch.tanh(mlp(x)) for mlp in self.mlps], dim=1))


model = Experts()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(80, 5)
y = (x[:, :1] * x[:, 1:2]) - x[:, 2:3]
for epoch in range(40):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
