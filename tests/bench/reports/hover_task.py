import torch
from torch import nn
import torch.nn.functional as F
from collections import deque
import random

random.seed(0)
torch.manual_seed(0)
GAMMA, LIMIT = 0.8, 5


class Hover:
    """+1 for every step; leaving the band (rare) really ends it, the clock only stops the show"""

    def reset(self):
        self.x, self.t = random.uniform(-0.5, 0.5), 0
        return [self.x]

    def step(self):
        self.x += random.gauss(0, 0.15)
        self.t += 1
        terminated = abs(self.x) > 1
        truncated = self.t >= LIMIT and not terminated
        return [self.x], 0.0 if terminated else 1.0, terminated, truncated


env, memory = Hover(), deque(maxlen=2000)
obs = env.reset()
for _ in range(2000):
    nxt, reward, terminated, truncated = env.step()
    done = terminated or truncated  # bug
    # fix: done = terminated
    memory.append((obs, reward, nxt, float(done)))
    obs = env.reset() if (terminated or truncated) else nxt

value = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
slow = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
slow.load_state_dict(value.state_dict())
opt = torch.optim.Adam(value.parameters(), lr=2e-2)
for it in range(80):
    o, r, o2, d = (torch.tensor(v) for v in zip(*random.sample(memory, 128)))
    with torch.no_grad():
        target = r + GAMMA * (1 - d) * slow(o2).squeeze(1)
    loss = F.mse_loss(value(o).squeeze(1), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for a, b in zip(slow.parameters(), value.parameters()):
            a.lerp_(b, 0.3)
    if it % 16 == 15:
        print(
            it,
            round(loss.item(), 4),
            "V(0) =",
            round(value(torch.zeros(1, 1)).item(), 3),
            "(staying for ever is worth",
            1 / (1 - GAMMA),
            ")",
        )
