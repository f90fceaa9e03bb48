import torch
from torch import nn

# The policy looks at a state without changing it, while the state is handed on as it is; and an
# evaluation without no_grad detaches its states as the training does.
torch.manual_seed(0)
world, policy, value = nn.GRUCell(2, 8), nn.Linear(8, 2), nn.Linear(8, 1)
opt = torch.optim.Adam(policy.parameters(), lr=0.01)


def rollout(h, turns, cut=False):
    for _ in range(turns):
        if cut:
            h = h.detach()
        h = world(torch.tanh(policy(h.detach())), h)
    return h


for i in range(12):
    loss = -value(rollout(torch.randn(6, 8), 4)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    checked = rollout(torch.ones(1, 8), 3, cut=True).mean().item()
