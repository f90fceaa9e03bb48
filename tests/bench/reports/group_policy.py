import torch
from torch import nn

torch.manual_seed(31)
GROUP, PROMPTS, ANSWERS = 8, 32, 6


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, ANSWERS))

    def forward(self, x):
        return torch.log_softmax(self.net(x), -1)


def group_advantage(scores):
    ref = scores[:, :1]  # bug
    # fix: ref = scores
    mean = ref.mean(1, keepdim=True)
    std = ref.std(1, keepdim=True, correction=0)
    return (scores - mean) / (std + 0.1)


key = torch.randn(4, ANSWERS)
policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
for it in range(60):
    prompts = torch.randn(PROMPTS, 4)
    logp = policy(prompts)
    picks = torch.multinomial(logp.exp(), GROUP, replacement=True)
    gold = (prompts @ key).argmax(1, keepdim=True)
    scores = (picks == gold).float()
    adv = group_advantage(scores)
    loss = -(logp.gather(1, picks) * adv).mean()
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()
    if it % 12 == 11:
        print(
            f"it {it} score {scores.mean().item():.3f} adv mean {adv.mean().item():.3f} "
            f"max {adv.abs().max().item():.1f} gnorm {norm.item():.2f}"
        )
