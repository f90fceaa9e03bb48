import torch
import torch.nn as nn

torch.manual_seed(17)

USERS, ITEMS, DIM = 40, 60, 8


class PairNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.user = nn.Embedding(USERS, DIM)
        self.item = nn.Embedding(ITEMS, DIM)
        self.mlp = nn.Sequential(nn.Linear(2 * DIM, 32), nn.ReLU(), nn.Linear(32, 1))
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, u, i):
        x = torch.cat([self.user(u), self.item(i)], dim=-1)
        return torch.sigmoid(self.mlp(x)).squeeze(-1)  # bug
        # fix: return self.mlp(x).squeeze(-1)


true_u, true_i = torch.randn(USERS, 2), torch.randn(ITEMS, 2)
u_all = torch.arange(USERS).repeat_interleave(ITEMS)
i_all = torch.arange(ITEMS).repeat(USERS)
clicked = ((true_u[u_all] * true_i[i_all]).sum(1) > 0.7).float()

net = PairNet()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
criterion = nn.BCEWithLogitsLoss()

for step in range(60):
    idx = torch.randint(0, USERS * ITEMS, (256,))
    pred = net(u_all[idx], i_all[idx])
    loss = criterion(pred, clicked[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 12 == 0 or step == 59:
        print(
            f"step {step:2d}  loss {loss.item():.4f}  mean pred {pred.mean().item():.3f}"
            f"  click rate {clicked[idx].mean().item():.3f}"
        )
