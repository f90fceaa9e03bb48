import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(60)


class Pairs(Dataset):
    def __init__(self, n=320):
        who = torch.randint(0, 8, (n,))
        genuine = torch.rand(n) < 0.5
        other = torch.where(genuine, who, (who + torch.randint(1, 8, (n,))) % 8)
        style = torch.randn(8, 12)
        self.a = style[who] + 0.2 * torch.randn(n, 12)
        self.b = style[other] + 0.2 * torch.randn(n, 12)
        self.y = genuine.float()

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.a[i], self.b[i], self.y[i]


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, d, y):
        far = torch.relu(self.margin - d).pow(2)
        return ((1 - y) * d.pow(2) + y * far).mean()  # bug
        # fix: return (y * d.pow(2) + (1 - y) * far).mean()


net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 8))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
crit = ContrastiveLoss()
loader = DataLoader(Pairs(), batch_size=32, shuffle=True)
for epoch in range(8):
    for a, b, y in loader:
        d = (net(a) - net(b) + 1e-6).norm(dim=1)
        loss = crit(d, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(
        f"epoch {epoch} loss {loss.item():.4f} genuine dist {d[y == 1].mean().item():.3f} forged dist {d[y == 0].mean().item():.3f}"
    )
