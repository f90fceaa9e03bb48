import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 3)
older = copy.deepcopy(net)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(8):
    state, after = torch.randn(32, 4), torch.randn(32, 4)
    action, reward = torch.randint(0, 3, (32, 1)), torch.randn(32)
    with torch.no_grad():
        target = reward + 0.9 * older(after).max(1)[1]
    loss = F.mse_loss(net(state).gather(1, action).squeeze(1), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 4 == 3:
        older.load_state_dict(net.state_dict())
