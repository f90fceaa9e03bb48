import torch
import torch.nn.functional as F


def surrogate(new_logp, old_logp, adv, eps=0.2):
    ratio = torch.exp(new_logp - old_logp)
    clipped = torch.clamp(ratio, 1 - eps, 1 + eps)
    return -(torch.min(ratio, clipped) * adv).mean()  # bug
    # fix: return -torch.min(ratio * adv, clipped * adv).mean()


class Policy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 5)
        )

    def logp(self, s, a):
        return F.log_softmax(self.net(s), -1).gather(1, a[:, None]).squeeze(1)


torch.manual_seed(9)
policy = Policy()
optim = torch.optim.Adam(policy.parameters(), lr=1e-2)
W = torch.randn(4, 5)
print_every = 5
for it in range(20):
    s = torch.randn(256, 4)
    with torch.no_grad():
        a = torch.distributions.Categorical(logits=policy.net(s)).sample()
        old = policy.logp(s, a)
    best = (s @ W).argmax(1)
    reward = torch.where(a == best, 0.0, -1.0)
    adv = reward - 0.2
    for epoch in range(4):
        new = policy.logp(s, a)
        loss = surrogate(new, old, adv)
        optim.zero_grad()
        loss.backward()
        optim.step()
    if it % print_every == print_every - 1:
        r = (policy.logp(s, a) - old).exp()
        print(
            f"it {it} loss {loss.item():.4f} reward {reward.mean().item():.3f} "
            f"ratio {r.min().item():.3f}..{r.max().item():.3f}"
        )
