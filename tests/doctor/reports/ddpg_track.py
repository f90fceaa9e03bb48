import copy
import torch
import torch.nn as nn

torch.manual_seed(13)

GAMMA, TAU = 0.95, 0.1


def mlp(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 32), nn.ReLU(), nn.Linear(32, n_out))


class Agent:
    def __init__(self):
        self.actor = nn.Sequential(mlp(2, 1), nn.Tanh())
        self.critic = mlp(3, 1)
        self.target_actor = copy.deepcopy(self.actor)
        self.target_critic = copy.deepcopy(self.critic)
        self.actor_opt = torch.optim.Adam(self.actor.parameters(), lr=2e-3)
        self.critic_opt = torch.optim.Adam(self.critic.parameters(), lr=5e-3)

    def q(self, net, s, a):
        return net(torch.cat([s, a], dim=1))

    def learn(self, s, a, r, s2, done):
        with torch.no_grad():
            a2 = self.target_actor(s2)
            goal = r + GAMMA * (1 - done) * self.q(self.target_critic, s2, a2)
        critic_loss = (self.q(self.critic, s, a) - goal).pow(2).mean()
        self.critic_opt.zero_grad()
        critic_loss.backward()
        self.critic_opt.step()

        actor_loss = -self.q(self.critic, s, self.actor(s)).mean()
        self.actor_opt.zero_grad()
        actor_loss.backward()
        self.actor_opt.step()

        self.soft_update(self.target_critic, self.critic)
        # fix: self.soft_update(self.target_actor, self.actor)
        return critic_loss.item(), actor_loss.item()

    @torch.no_grad()
    def soft_update(self, target, source):
        for tp, p in zip(target.parameters(), source.parameters()):
            tp.mul_(1 - TAU).add_(p, alpha=TAU)


def batch(n):
    s = 2 * torch.rand(n, 2) - 1
    a = 2 * torch.rand(n, 1) - 1
    s2 = s + 0.3 * torch.cat([a, -0.5 * s[:, 1:]], dim=1)
    r = -(s2[:, :1] ** 2)
    done = (torch.rand(n, 1) < 0.1).float()
    return s, a, r, s2, done


agent = Agent()
for step in range(60):
    c, a = agent.learn(*batch(128))
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d}  critic {c:.4f}  actor {a:.4f}")
