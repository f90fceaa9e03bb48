import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(31)


class ActorCritic(nn.Module):
    def __init__(self, obs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(obs, 32), nn.Tanh())
        self.pi, self.v = nn.Linear(32, 1), nn.Linear(32, 1)
        self.std = 0.6

    def forward(self, obs):
        h = self.body(obs)
        dist = Normal(self.pi(h).squeeze(-1), self.std, validate_args=False)
        return dist, self.v(h).squeeze(-1)


class Rollout:
    def __init__(self, agent, n):
        self.obs = torch.randn(n, 4)
        with torch.no_grad():
            dist, value = agent(self.obs)
            self.action = dist.sample()
            self.log_prob = dist.log_prob(self.action)
        best = torch.sin(self.obs[:, 0]) + 0.5 * self.obs[:, 1]
        self.reward = -(self.action - best).pow(2)
        self.advantage = self.reward - value

    def minibatches(self, size):
        for idx in torch.randperm(len(self.obs)).split(size):
            yield (
                self.obs[idx],
                self.action[idx],
                self.log_prob[idx],
                self.reward[idx],
                self.advantage[idx],
            )


def ppo_update(agent, optimizer, rollout, clip=0.2, epochs=2, size=64):
    for _ in range(epochs):
        for obs, action, old_log_prob, ret, adv in rollout.minibatches(size):
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)  # bug
            # fix: if len(adv) > 1:
            # fix: adv = (adv - adv.mean()) / (adv.std() + 1e-8)
            dist, value = agent(obs)
            ratio = (dist.log_prob(action) - old_log_prob).exp()
            policy_loss = -torch.min(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv).mean()
            value_loss = (value - ret).pow(2).mean()
            loss = policy_loss + 0.5 * value_loss - 0.01 * dist.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
    return policy_loss.item(), value_loss.item()


agent = ActorCritic(4)
optimizer = torch.optim.Adam(agent.parameters(), lr=5e-3)
n_steps = 257
for update in range(20):
    rollout = Rollout(agent, n_steps)
    p, v = ppo_update(agent, optimizer, rollout)
    if update % 3 == 0:
        print(
            f"update {update:2d} mean reward {rollout.reward.mean().item():.3f} policy {p:.4f} value {v:.4f}"
        )
