"""REINFORCE in a corridor: walk left or right, the prize is at the right end.

The loss is no measure of success here: it is built so that its *gradient* makes actions more
likely that did better than usual. It goes up and down while the agent gets better.
"""

import torch
from torch import nn

ROOMS, START, LONGEST = 7, 2, 30

torch.manual_seed(0)
policy = nn.Sequential(nn.Embedding(ROOMS, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-2)
usual = 0.0
lengths = []

for episode in range(150):
    room, likely = START, []
    while room < ROOMS - 1 and len(likely) < LONGEST:
        choice = torch.distributions.Categorical(logits=policy(torch.tensor(room)))
        action = choice.sample()
        likely.append(choice.log_prob(action))
        room = max(0, room + (1 if action.item() == 1 else -1))
    reward = float(room == ROOMS - 1) - 0.03 * len(likely)
    advantage = reward - usual
    usual += 0.1 * advantage

    loss = -advantage * torch.stack(likely).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    lengths.append(len(likely))

first, last = (sum(part) / 20 for part in (lengths[:20], lengths[-20:]))
print(f"{first:.1f} moves to the prize at first, {last:.1f} in the end; 4 are needed")
