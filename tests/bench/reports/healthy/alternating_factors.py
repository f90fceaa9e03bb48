# Healthy: matrix factorisation with two optimizers used in turn; each factor is updated only every other step and rows' biases every 5th
import torch
from torch import nn

torch.manual_seed(12)


class Factors(nn.Module):
    def __init__(self, users, items, rank):
        super().__init__()
        self.user = nn.Parameter(0.3 * torch.randn(users, rank))
        self.item = nn.Parameter(0.3 * torch.randn(items, rank))
        self.bias = nn.Parameter(torch.zeros(users, 1))

    def forward(self):
        return self.user @ self.item.t() + self.bias


truth = torch.randn(40, 3) @ torch.randn(3, 30) + torch.randn(40, 1)
seen = torch.rand(40, 30) < 0.6
model = Factors(40, 30, 3)
turns = [torch.optim.Adam([model.user], lr=0.05), torch.optim.Adam([model.item], lr=0.05)]
bias_opt = torch.optim.SGD([model.bias], lr=2.0)
for step in range(300):
    error = (model() - truth)[seen]
    loss = error.square().mean() + 1e-3 * (model.user.square().mean() + model.item.square().mean())
    model.zero_grad()
    loss.backward()
    turns[step % 2].step()
    if step % 5 == 0:
        bias_opt.step()
    if step % 60 == 59:
        with torch.no_grad():
            held_out = (model() - truth)[~seen].square().mean().item()
        print(f"step {step + 1} loss {loss.item():.4f} held out {held_out:.4f}")
