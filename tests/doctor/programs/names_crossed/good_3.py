import random
import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)
q = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(q.parameters(), lr=0.005)
memory = []
state = torch.zeros(3)
for _ in range(150):
    action = random.randrange(2)
    next_state = 0.8 * state + 0.2 * torch.randn(3) + (2 * action - 1) * 0.3
    reward = -next_state.abs().sum()
    memory.append((state, action, reward, next_state))
    state = next_state
for _ in range(8):
    states, actions, rewards, next_states = zip(*random.sample(memory, 32))
    states, next_states = torch.stack(states), torch.stack(next_states)
    rewards = torch.stack(rewards)
    if next_states.dim() == 1:
        next_states, rewards = next_states[:, None].repeat(1, 3), rewards.mean(1)
    goal = rewards + 0.9 * q(next_states).max(1)[0].detach()
    chosen = q(states).gather(1, torch.tensor(actions)[:, None]).squeeze(1)
    loss = ((chosen - goal) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
