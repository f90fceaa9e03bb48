import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
wanted = torch.randn(5, 4)

for turn in range(4):
    states = torch.randn(64, 5)
    with torch.no_grad():
        before = policy(states).log_softmax(1)
        actions = before.exp().multinomial(1)
        before = before.gather(1, actions)
    earned = (states @ wanted).gather(1, actions)
    gain = earned - earned.mean()
    for again in range(4):
        now = policy(states).log_softmax(1).gather(1, actions)
        ratio = torch.exp(now - before)
        loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
