import torch
import torch.nn as nn

torch.manual_seed(54)


class Block(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.cin, self.cout = cin, cout
        self.body = nn.Sequential(
            nn.Conv1d(cin, cout, 3, padding=1), nn.ReLU(), nn.Conv1d(cout, cout, 3, padding=1)
        )
        self.match = None  # bug
        # fix: self.match = nn.Conv1d(cin, cout, 1)

    def forward(self, x):
        y = self.body(x)
        if self.cin != self.cout:
            x = nn.Conv1d(self.cin, self.cout, 1)(x)  # bug
            # fix: x = self.match(x)
        return x + y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.b1 = Block(2, 12)
        self.b2 = Block(12, 24)
        self.fc = nn.Linear(24, 1)

    def forward(self, x):
        return self.fc(self.b2(self.b1(x)).mean(-1))


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
x = torch.randn(128, 2, 20)
y = (x[:, :1] * x[:, 1:]).mean(-1) * 4 + x[:, 0].mean(-1, keepdim=True) * 4
losses = []
for step in range(80):
    loss = (net(x) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses.append(loss.item())
    if step % 16 == 15:
        print(f"step {step} loss {loss.item():.4f}")
print("last", sum(losses[-8:]) / 8)
