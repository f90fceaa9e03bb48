import copy
import torch
import torch.nn as nn

torch.manual_seed(6)

GAMMA, TAU = 0.9, 0.05


class NAF(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.value = nn.Linear(32, 1)
        self.mean = nn.Linear(32, 1)
        self.log_p = nn.Linear(32, 1)

    def forward(self, state, action=None):
        h = self.trunk(state)
        v = self.value(h)
        mu = torch.tanh(self.mean(h))
        if action is None:
            return mu, v
        p = self.log_p(h).exp()
        return v - 0.5 * p * (action - mu) ** 2


def collect(n):
    s = 2 * torch.rand(n, 2) - 1
    a = 2 * torch.rand(n, 1) - 1
    s2 = torch.cat([s[:, :1] + 0.3 * a, 0.9 * s[:, 1:]], dim=1)
    r = -(s2[:, :1] ** 2) - 0.1 * a**2
    alive = (s2[:, :1].abs() < 1.0).float()
    return s, a, r, s2, alive


states, actions, rewards, next_states, masks = collect(1024)
online = NAF()
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=5e-3)

for step in range(60):
    idx = torch.randint(0, 1024, (128,))
    with torch.no_grad():
        _, next_v = target(next_states[idx])
        goal = rewards[idx] + GAMMA * masks[idx] + next_v  # bug
        # fix: goal = rewards[idx] + GAMMA * masks[idx] * next_v
    q = online(states[idx], actions[idx])
    loss = nn.functional.mse_loss(q, goal)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(online.parameters(), 5.0)
    optimizer.step()
    with torch.no_grad():
        for p, tp in zip(online.parameters(), target.parameters()):
            tp.lerp_(p, TAU)
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d}  td loss {loss.item():.4f}  mean V' {next_v.mean().item():.3f}")
