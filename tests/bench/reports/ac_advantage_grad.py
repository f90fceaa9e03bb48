import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

torch.manual_seed(8)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 64)
        self.fc2 = nn.Linear(64, 3)

    def forward(self, x):
        return Categorical(logits=self.fc2(torch.relu(self.fc1(x))))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 64)
        self.fc2 = nn.Linear(64, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x))).squeeze(-1)


def tour_cost(state, choice):
    return state.gather(1, choice.unsqueeze(1)).squeeze(1).abs() + 0.1 * state[:, 3] ** 2


actor, critic = Actor(), Critic()
optim = torch.optim.Adam(list(actor.parameters()) + list(critic.parameters()), lr=5e-3)

for step in range(60):
    state = torch.randn(200, 4)
    dist = actor(state)
    choice = dist.sample()
    reward = -tour_cost(state, choice)

    predicted = critic(state)
    advantage = reward - predicted  # bug
    # fix: advantage = reward - predicted.detach()
    actor_loss = -(advantage * dist.log_prob(choice)).mean()
    critic_loss = F.mse_loss(predicted, reward)
    total = actor_loss + critic_loss

    optim.zero_grad()
    total.backward()
    optim.step()
    if step % 10 == 0 or step == 59:
        print(
            "step", step, "reward %.3f" % reward.mean().item(), "critic %.4f" % critic_loss.item()
        )
