# Healthy: DQN with a target network that changes only every 40 updates, targets under no_grad, rare terminal states
import copy
import random

import torch
from torch import nn

random.seed(0)
torch.manual_seed(2)
LENGTH, GAMMA = 8, 0.9


def encode(i):
    v = torch.zeros(LENGTH)
    v[i] = 1
    return v


def env_step(pos, action):
    pos = max(0, pos + (1 if action == 1 else -1))
    done = pos == LENGTH - 1
    return pos, (1.0 if done else 0.0), done


online = nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=3e-3)
replay, pos, finished = [], 0, 0
for step in range(600):
    if random.random() < 0.4:
        action = random.randrange(2)
    else:
        with torch.no_grad():
            action = online(encode(pos)).argmax().item()
    nxt, reward, done = env_step(pos, action)
    replay.append((pos, action, reward, nxt, done))
    pos = 0 if done else nxt
    finished += done
    if len(replay) < 64:
        continue
    s, a, r, n, d = zip(*random.sample(replay, 32))
    s, n = torch.stack([encode(i) for i in s]), torch.stack([encode(i) for i in n])
    with torch.no_grad():
        goal = (
            torch.tensor(r)
            + GAMMA * (1 - torch.tensor(d, dtype=torch.float)) * target(n).max(1).values
        )
    q = online(s).gather(1, torch.tensor(a).unsqueeze(1)).squeeze(1)
    loss = nn.functional.smooth_l1_loss(q, goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 40 == 0:
        target.load_state_dict(online.state_dict())
    if step % 100 == 99:
        print(
            f"step {step + 1} td loss {loss.item():.5f} episodes finished {finished} Q(start) {online(encode(0)).max().item():.3f}"
        )
