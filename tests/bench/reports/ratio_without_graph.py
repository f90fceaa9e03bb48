import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(305)
actor = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 3))
critic = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=5e-3)
for update in range(4):
    state = torch.randn(40, 4)
    with torch.no_grad():
        policy = Categorical(logits=actor(state))
        action = policy.sample()
        before = policy.log_prob(action)
        reward = (action == state[:, :3].argmax(1)).float()
        advantage = reward - critic(state).squeeze(1)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for _ in range(3):
        now = Categorical(logits=actor(state))
        with torch.no_grad():  # bug
            ratio = (now.log_prob(action) - before).exp()  # bug
        # fix: ratio = (now.log_prob(action) - before).exp()
        clipped = ratio.clamp(0.8, 1.2)
        policy_loss = -torch.min(ratio * advantage, clipped * advantage).mean()
        value_loss = (critic(state).squeeze(1) - reward).pow(2).mean()
        loss = policy_loss + 0.5 * value_loss - 0.01 * now.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(update, reward.mean().item())
