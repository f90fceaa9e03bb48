import copy

import torch
from torch import nn

torch.manual_seed(320)
policy = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(policy)
optimizer = torch.optim.RMSprop(policy.parameters(), lr=1e-3)
state, after = torch.randn(200, 4), torch.randn(200, 4)
action = torch.randint(0, 2, (200, 1))
reward = 20 * state[:, :1] * (2 * action - 1)
for step in range(20):
    rows = torch.randint(0, 200, (32,))
    with torch.no_grad():
        aim = reward[rows] + 0.9 * target(after[rows]).max(1, keepdim=True).values
    loss = nn.functional.mse_loss(policy(state[rows]).gather(1, action[rows]), aim)
    optimizer.zero_grad()
    loss.backward()
    for parameter in policy.parameters():
        parameter.grad.data.clamp(-1, 1)  # bug
        # fix: parameter.grad.data.clamp_(-1, 1)
    optimizer.step()
    if step % 10 == 9:
        target.load_state_dict(policy.state_dict())
print(loss.item())
