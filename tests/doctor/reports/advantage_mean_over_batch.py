import torch
from torch import nn

torch.manual_seed(123)


class Dueling(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 20)
        self.value = nn.Linear(20, 1)
        self.advantage = nn.Linear(20, 4)

    def forward(self, state):
        hidden = torch.relu(self.hidden(state))
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean()  # bug
        # fix: return self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True)


net = Dueling()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(40):
    state = torch.randn(16, 5)
    action = torch.randint(0, 4, (16, 1))
    reward = torch.cos(state[:, :1] + action)
    loss = nn.functional.smooth_l1_loss(net(state).gather(1, action), reward)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
