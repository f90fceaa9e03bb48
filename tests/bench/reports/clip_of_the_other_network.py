import torch
from torch import nn

torch.manual_seed(201)
actor, critic = nn.Linear(5, 3), nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
for episode in range(20):
    states = torch.randn(24, 5)
    returns = states[:, 0] + 0.1 * torch.randn(24)
    policy = torch.distributions.Categorical(logits=actor(states))
    actions = policy.sample()
    values = critic(states).squeeze(1)
    critic_optimizer.zero_grad()
    nn.functional.mse_loss(values, returns).backward()
    nn.utils.clip_grad_norm_(critic.parameters(), 0.5)
    critic_optimizer.step()
    actor_optimizer.zero_grad()
    loss = -(policy.log_prob(actions) * (returns - values.detach())).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(critic.parameters(), 0.5)  # bug
    # fix: nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
    actor_optimizer.step()
    print(episode, loss.item())
