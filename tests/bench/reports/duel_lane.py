import torch
import torch.nn as nn

torch.manual_seed(11)


class LaneQ(nn.Module):
    def __init__(self, obs, acts):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(obs, 64), nn.ReLU())
        self.value = nn.Linear(64, 1)
        self.adv = nn.Linear(64, acts)

    def forward(self, x):
        h = self.trunk(x)
        v, a = self.value(h), self.adv(h)
        return v + a - a.mean()  # bug
        # fix: return v + a - a.mean(dim=1, keepdim=True)


def make_batch(n):
    x = torch.rand(n, 4) * 2 - 1
    gain = torch.tensor([[3.0, 0.0, -1.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.0, -2.0, 4.0]])
    q = x @ gain + 5 * x[:, :1].abs()
    act = torch.randint(0, 3, (n,))
    return x, act, q.gather(1, act[:, None]).squeeze(1) + 0.05 * torch.randn(n), q


model = LaneQ(4, 3)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
history = []
for step in range(80):
    x, act, ret, _ = make_batch(32)
    q = model(x).gather(1, act.unsqueeze(1)).squeeze(1)
    loss = nn.functional.smooth_l1_loss(q, ret)
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())

x, _, _, q_true = make_batch(200)
with torch.no_grad():
    together = model(x)
    one_by_one = torch.cat([model(row[None]) for row in x])
print("loss first/last", round(history[0], 3), round(sum(history[-10:]) / 10, 3))
print("mse of Q, whole batch", (together - q_true).pow(2).mean().item())
print("mse of Q, single observations", (one_by_one - q_true).pow(2).mean().item())
