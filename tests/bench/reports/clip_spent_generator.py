import torch
import torch.nn as nn

torch.manual_seed(42)
MAX_NORM = 0.5


class Adder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.cell = nn.RNN(2, hidden, batch_first=True, nonlinearity="relu")
        self.out = nn.Linear(hidden, 1)
        nn.init.eye_(self.cell.weight_hh_l0)
        self.cell.weight_hh_l0.data.mul_(1.1)

    def forward(self, x):
        states, _ = self.cell(x)
        return self.out(states[:, -1]).squeeze(-1)


def adding_problem(n, length):
    values = torch.rand(n, length)
    marks = torch.zeros(n, length)
    half = length // 2
    a = torch.randint(0, half, (n,))
    b = torch.randint(half, length, (n,))
    marks[torch.arange(n), a] = 1
    marks[torch.arange(n), b] = 1
    return torch.stack([values, marks], dim=-1), (values * marks).sum(1)


model = Adder(32)
params_to_clip = model.parameters()  # bug
# fix: params_to_clip = list(model.parameters())
print("trainable:", sum(p.numel() for p in params_to_clip if p.requires_grad))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.MSELoss()

for step in range(8):
    x, y = adding_problem(64, 20)
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(params_to_clip, MAX_NORM)
    optimizer.step()
    if step % 25 == 24:
        print(f"step {step + 1:4d} loss {loss.item():.5g} norm before clipping {float(norm):.4g}")
