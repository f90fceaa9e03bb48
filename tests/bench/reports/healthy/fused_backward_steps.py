import torch
import torch.nn as nn

torch.manual_seed(105)
net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
optimizers = {p: torch.optim.Adam([p], lr=3e-3) for p in net.parameters()}


def step_and_free(p):
    optimizers[p].step()
    optimizers[p].zero_grad()


for p in net.parameters():
    p.register_post_accumulate_grad_hook(step_and_free)

for step in range(60):
    x = torch.randn(64, 8)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].abs()], 1)
    loss = (net(x) - y).pow(2).mean()
    loss.backward()
    if step % 12 == 11:
        print(
            f"step {step} loss {loss.item():.4f} grads kept {sum(p.grad is not None for p in net.parameters())}"
        )
