import torch
from torch import nn

torch.manual_seed(122)


class Agent:
    def __init__(self, policy, target):
        self.policy_net, self.target_net = policy, target
        self.target_net.load_state_dict(self.policy_net.state_dict())
        self.optimizer = torch.optim.Adam(self.policy_net.parameters(), lr=2e-3)

    def update(self, state, action, reward, following):
        value = self.policy_net(state).gather(1, action)
        with torch.no_grad():
            best = self.target_net(following).amax(1, keepdim=True)
        loss = nn.functional.mse_loss(value, reward + 0.95 * best)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def network():
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))


model = network()
agent = Agent(model, model)  # bug
# fix: agent = Agent(model, network())
for step in range(40):
    state, following = torch.randn(24, 4), torch.randn(24, 4)
    action = torch.randint(0, 3, (24, 1))
    loss = agent.update(state, action, state[:, :1] * action, following)
    if step % 10 == 0:
        agent.target_net.load_state_dict(agent.policy_net.state_dict())
print(loss)
