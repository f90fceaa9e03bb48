import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(207)
actor = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
for turn in range(20):
    states = torch.randn(32, 3)
    tried = torch.randn(32, 1)
    reward = -((tried - states[:, :1]) ** 2)
    value = critic(torch.cat([states, tried], 1))
    critic_loss = nn.functional.mse_loss(value, reward)
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()
    mean, log_std = actor(states).chunk(2, dim=1)
    policy = Normal(mean, log_std.clamp(-3, 1).exp())
    action = policy.sample()  # bug
    # fix: action = policy.rsample()
    entropy = policy.entropy().mean()
    actor_loss = -critic(torch.cat([states, action], 1)).mean() - 0.01 * entropy
    actor_optimizer.zero_grad()
    actor_loss.backward()
    actor_optimizer.step()
    print(turn, actor_loss.item())
