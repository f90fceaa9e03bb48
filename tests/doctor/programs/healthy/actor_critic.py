import torch
from torch import nn

torch.manual_seed(0)
actor, critic = nn.Linear(4, 2), nn.Linear(4, 1)
opt_a = torch.optim.Adam(actor.parameters(), lr=0.01)
opt_c = torch.optim.Adam(critic.parameters(), lr=0.02)
state = torch.randn(4)
for t in range(30):
    dist = torch.distributions.Categorical(logits=actor(state))
    action = dist.sample()
    reward = float(action == (state[0] > 0).long())
    nxt = torch.randn(4)
    with torch.no_grad():
        target = reward + 0.9 * critic(nxt)
    advantage = target - critic(state)
    loss_c = advantage.pow(2).mean()
    loss_a = (-dist.log_prob(action) * advantage.detach()).mean()
    opt_c.zero_grad()
    loss_c.backward()
    opt_c.step()
    opt_a.zero_grad()
    loss_a.backward()
    opt_a.step()
    state = nxt
