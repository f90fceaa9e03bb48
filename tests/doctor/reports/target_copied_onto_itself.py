import copy

import torch
from torch import nn

torch.manual_seed(124)
eval_net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
target_net = copy.deepcopy(eval_net)
optimizer = torch.optim.RMSprop(eval_net.parameters(), lr=1e-3)
for episode in range(45):
    state, following = torch.randn(20, 4), torch.randn(20, 4)
    action = torch.randint(0, 2, (20, 1))
    reward = torch.where(action == 0, state[:, :1], -state[:, :1])
    with torch.no_grad():
        goal = reward + 0.9 * target_net(following).amax(1, keepdim=True)
    loss = ((eval_net(state).gather(1, action) - goal) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if episode % 15 == 14:
        target_net.load_state_dict(target_net.state_dict())  # bug
        # fix: target_net.load_state_dict(eval_net.state_dict())
print(loss.item())
