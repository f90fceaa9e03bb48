import torch
import torch.nn as nn

torch.manual_seed(44)


class MixtureLayer(nn.Module):
    def __init__(self, dim, n_experts=4, k=2):
        super().__init__()
        self.k = k
        self.router = nn.Linear(dim, n_experts)
        self.experts = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, dim))
                for _ in range(n_experts)
            ]
        )
        self.gates_record = None

    def forward(self, x):
        gates = self.router(x).softmax(dim=-1)
        self.gates_record = gates.clone().detach().mean(dim=0)  # bug
        # fix: self.gates_record = gates.mean(dim=0)
        top, chosen = gates.topk(self.k, dim=-1)
        top = top / top.sum(dim=-1, keepdim=True)
        weight = torch.zeros_like(gates).scatter(1, chosen, top)
        outs = torch.stack([expert(x) for expert in self.experts], dim=1)
        return x + (weight.unsqueeze(-1) * outs).sum(dim=1)

    def balance_loss(self):
        load = self.gates_record
        return load.var(unbiased=False) / load.mean() ** 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.moe = MixtureLayer(8)
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.moe(x))


x = torch.randn(512, 8) + 1.0
y = torch.where(x[:, :1] > 1.0, x[:, 1:2] * x[:, 2:3], -x[:, 3:4].abs())

net = Net()
with torch.no_grad():
    net.moe.router.bias.copy_(torch.tensor([1.5, 0.5, -0.5, -1.5]))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(60):
    idx = torch.randint(0, 512, (128,))
    task = nn.functional.mse_loss(net(x[idx]), y[idx])
    balance = net.moe.balance_loss()
    loss = task + 0.5 * balance
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d}  task {task.item():.4f}  balance {balance.item():.4f}")
