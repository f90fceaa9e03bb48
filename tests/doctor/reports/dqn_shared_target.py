import random

import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(3)
torch.manual_seed(3)

LENGTH, N_ACTIONS, GAMMA = 8, 2, 0.9
SYNC_EVERY = 10


class Corridor:
    """Walk right to reach the goal cell."""

    def reset(self):
        self.pos = random.randrange(LENGTH - 1)
        return self.pos

    def step(self, action):
        self.pos = max(0, self.pos + (1 if action == 1 else -1))
        done = self.pos == LENGTH - 1
        return self.pos, float(done), done


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(LENGTH, 48), nn.ReLU(), nn.Linear(48, N_ACTIONS))

    def forward(self, s):
        return self.net(F.one_hot(s, LENGTH).float())


def fill_buffer(n):
    env, data = Corridor(), []
    s = env.reset()
    while len(data) < n:
        a = random.randrange(N_ACTIONS)
        s2, r, done = env.step(a)
        data.append((s, a, r, s2, float(done)))
        s = env.reset() if done else s2
    return data


memory = fill_buffer(800)
policy_net = QNet()
target_net = policy_net  # bug
# fix: target_net = QNet()
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.Adam(policy_net.parameters(), lr=5e-3)

for it in range(60):
    batch = random.sample(memory, 64)
    s, a, r, s2, d = zip(*batch)
    s, a, s2 = torch.tensor(s), torch.tensor(a), torch.tensor(s2)
    r, d = torch.tensor(r), torch.tensor(d)

    q = policy_net(s).gather(1, a.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        target = r + GAMMA * (1 - d) * target_net(s2).max(1).values
    loss = F.smooth_l1_loss(q, target)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (it + 1) % SYNC_EVERY == 0:
        target_net.load_state_dict(policy_net.state_dict())
        print(f"iter {it + 1:3d}  loss {loss.item():.4f}  mean q {q.mean().item():.3f}")
