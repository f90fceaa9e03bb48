import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(33)

CLASSES, FEATURES = 6, 12
TEMPERATURE, SOFT_WEIGHT = 3.0, 0.7
proto = torch.randn(CLASSES, FEATURES)


def batch(n):
    y = torch.randint(0, CLASSES, (n,))
    return proto[y] + 0.9 * torch.randn(n, FEATURES), y


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(FEATURES, width)
        self.fc2 = nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


large = MLP(128)
large_opt = torch.optim.Adam(large.parameters(), lr=1e-2)
for _ in range(30):
    x, y = batch(128)
    loss = F.cross_entropy(large(x), y)
    large_opt.zero_grad()
    loss.backward()
    large_opt.step()
large.eval()
print(f"teacher loss {loss.item():.3f}")

small = MLP(10)
small_opt = torch.optim.Adam(small.parameters(), lr=1e-2)
for step in range(30):
    x, y = batch(128)
    with torch.no_grad():
        large_logits = large(x)
    output = small(x)

    soft_targets = F.softmax(large_logits / TEMPERATURE, dim=-1)
    soft_prob = F.log_softmax(large_logits / TEMPERATURE, dim=-1)  # bug
    # fix: soft_prob = F.log_softmax(output / TEMPERATURE, dim=-1)
    soft_loss = F.kl_div(soft_prob, soft_targets, reduction="batchmean") * TEMPERATURE**2
    hard_loss = F.cross_entropy(output, y)
    loss = SOFT_WEIGHT * soft_loss + (1 - SOFT_WEIGHT) * hard_loss

    small_opt.zero_grad()
    loss.backward()
    small_opt.step()
    if step % 6 == 0 or step == 29:
        print(f"step {step} soft {soft_loss.item():.4f} hard {hard_loss.item():.4f}")
