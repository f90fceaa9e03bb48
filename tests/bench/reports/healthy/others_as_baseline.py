import torch
import torch.nn as nn

torch.manual_seed(18)
K = 4
policy = nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Linear(24, 5))
opt = torch.optim.Adam(policy.parameters(), lr=2e-2)
goal = torch.randn(3, 5)
for step in range(80):
    s = torch.randn(48, 3)
    dist = torch.distributions.Categorical(logits=policy(s))
    a = dist.sample((K,))
    reward = (s @ goal).expand(K, -1, -1).gather(2, a[..., None]).squeeze(2)
    others = (reward.sum(0, keepdim=True) - reward) / (K - 1)
    loss = -((reward - others) * dist.log_prob(a)).mean() - 0.01 * dist.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(step, "loss", round(loss.item(), 4), "reward", round(reward.mean().item(), 3))
