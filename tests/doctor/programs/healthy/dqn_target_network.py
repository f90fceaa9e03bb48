import copy

import torch
from torch import nn

torch.manual_seed(0)
q = nn.Linear(3, 2)
target = copy.deepcopy(q)
optimizer = torch.optim.Adam(q.parameters(), lr=0.01)
for step in range(12):
    s, s2, r = torch.randn(6, 3), torch.randn(6, 3), torch.rand(6)
    a = torch.randint(0, 2, (6,))
    with torch.no_grad():
        goal = r + 0.9 * target(s2).max(1).values
    loss = nn.functional.smooth_l1_loss(q(s).gather(1, a[:, None]).squeeze(1), goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 4 == 0:
        target.load_state_dict(q.state_dict())
