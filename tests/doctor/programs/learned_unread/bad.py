import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 4))
weigh = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
slow = torch.optim.Adam([weigh], lr=1e-2)
worth = torch.randn(3, 4)
factor = weigh.exp().item()

for step in range(6):
    states = torch.randn(32, 3)
    chances = policy(states).log_softmax(1)
    entropy = -(chances.exp() * chances).sum(1)
    earned = (chances.exp() * (states @ worth)).sum(1)
    loss = -(earned + factor * entropy).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    weigh_loss = (weigh.exp() * (entropy.detach() - 1.0)).mean()
    slow.zero_grad()
    weigh_loss.backward()
    slow.step()
print(loss.item())
