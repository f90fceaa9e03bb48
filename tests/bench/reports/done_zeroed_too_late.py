import copy

import torch
from torch import nn

torch.manual_seed(306)
online = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=2e-3)
state, after = torch.randn(128, 4), torch.randn(128, 4)
action = torch.randint(0, 2, (128,))
reward = state[:, 0] * (action * 2 - 1)
done = torch.rand(128) < 0.2
for step in range(24):
    rows = torch.randint(0, 128, (32,))
    value = online(state[rows]).gather(1, action[rows, None]).squeeze(1)
    with torch.no_grad():
        best = target(after[rows]).max(1).values
        # fix: best[done[rows]] = 0.0
        aim = reward[rows] + 0.95 * best
        best[done[rows]] = 0.0  # bug
    loss = nn.functional.smooth_l1_loss(value, aim)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 8 == 7:
        target.load_state_dict(online.state_dict())
print(loss.item())
