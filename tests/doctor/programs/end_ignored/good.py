import copy

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
target_net = copy.deepcopy(net)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
states, after = torch.randn(200, 4), torch.randn(200, 4)
actions = torch.randint(0, 2, (200, 1))
rewards, ends = torch.randn(200), (torch.rand(200) < 0.2).float()

for step in range(10):
    rows = torch.randint(0, 200, (32,))
    said = net(states[rows]).gather(1, actions[rows])[:, 0]
    reward, end = rewards[rows], ends[rows]
    with torch.no_grad():
        best = target_net(after[rows]).max(1).values
        goal = reward + 0.9 * (1 - end) * best
    loss = nn.functional.smooth_l1_loss(said, goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    target_net.load_state_dict(net.state_dict())
print(loss.item())
