import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(330)
policy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
for episode in range(12):
    state, logs, rewards = torch.randn(2), [], []
    for _ in range(10):
        spread = Normal(policy(state), 0.3)
        action = spread.sample()
        logs.append(spread.log_prob(action).sum())
        state = 0.9 * state + 0.2 * action * torch.tensor([1.0, -1.0])
        rewards.append(-state.pow(2).sum().item())
    total, returns = 0.0, []
    for reward in reversed(rewards):
        total = reward + 0.9 * total
        returns.insert(0, total)
    returns = torch.tensor(returns)
    returns = returns - returns.mean()
    logs = torch.stack(logs)
    loss = -(logs.mean() * returns).sum()  # bug
    # fix: loss = -(logs * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
