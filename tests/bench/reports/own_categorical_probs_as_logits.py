import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
pi = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2), nn.Softmax(-1))
opt = torch.optim.Adam(pi.parameters(), lr=1e-2)
for ep in range(30):
    s = torch.randn(16, 3)
    d = torch.distributions.Categorical(logits=pi(s))  # bug
    # fix: d=torch.distributions.Categorical(probs=pi(s))
    a = d.sample()
    r = (a == (s[:, 0] > 0).long()).float() - 0.5
    loss = -(d.log_prob(a) * r).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
