import torch
from torch import nn
from torch.distributions import Categorical


class Brain(nn.Module):
    def __init__(self, obs, actions):
        super().__init__()
        self.dense1 = nn.Linear(obs, 32)
        self.dense2 = nn.Linear(32, actions)

    def forward(self, x):
        return torch.relu(self.dense1(x)), self.dense2(torch.relu(self.dense1(x)))


class Corridor:
    """signal s in {0,1,2}: action == s pays 1, else 0; the signal changes at each step"""

    def __init__(self, length=8):
        self.length = length

    def reset(self):
        self.t = 0
        return self._obs()

    def _obs(self):
        self.signal = int(torch.randint(0, 3, (1,)))
        obs = torch.zeros(3)
        obs[self.signal] = 1
        return obs

    def step(self, action):
        reward = float(action == self.signal) - 1 / 3
        self.t += 1
        return self._obs(), reward, self.t >= self.length


class Agent:
    def __init__(self, gamma=0.3):
        self.gamma = gamma
        self.brain = Brain(3, 3)
        self.opt = torch.optim.Adam(self.brain.parameters(), lr=1e-2)

    def act(self, obs):
        with torch.no_grad():
            return Categorical(logits=self.brain(obs)[1]).sample().item()

    def learn(self, states, actions, rewards):
        discounted, total = [], 0.0
        for r in reversed(rewards):
            total = r + self.gamma * total
            discounted.append(total)
            discounted.reverse()  # bug
        # fix: discounted.reverse()
        logits = self.brain(torch.stack(states))[1]
        log_prob = Categorical(logits=logits).log_prob(torch.tensor(actions))
        loss = -(log_prob * torch.tensor(discounted)).sum()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()


torch.manual_seed(44)
env, agent, score = Corridor(), Agent(), []
for episode in range(300):
    obs, done = env.reset(), False
    states, actions, rewards = [], [], []
    while not done:
        action = agent.act(obs)
        nxt, reward, done = env.step(action)
        states.append(obs)
        actions.append(action)
        rewards.append(reward)
        obs = nxt
    loss = agent.learn(states, actions, rewards)
    score.append(sum(rewards) + len(rewards) / 3)
    if episode % 50 == 49:
        print(
            f"episode {episode + 1} loss {loss:.3f} right answers of 8: {sum(score[-50:]) / 50:.2f}"
        )
