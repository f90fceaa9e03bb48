import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(38)

MAX_GRAD_NORM = 1.0


class NodeRNN(nn.Module):
    def __init__(self, d_in=4, hidden=48):
        super().__init__()
        self.rnn = nn.RNN(d_in, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.out(h[:, -1]).squeeze(-1)


def batch(n=64, steps=12):
    x = torch.randn(n, steps, 4)
    y = 1.5 * x[:, -1, 0] - 1.0 * x[:, -2, 1] + 0.3 * x[:, :, 2].sum(1)
    return x, y


model = NodeRNN()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
max_seen = 0.0

for step in range(60):
    x, y = batch()
    loss = F.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    # fix: norm = nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
    optimizer.step()
    norm = nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)  # bug
    max_seen = max(max_seen, norm.item())
    if step % 10 == 0 or step == 59:
        print(
            f"step {step:2d} loss {loss.item():.3f} grad norm {norm.item():.2f} (max {max_seen:.2f})"
        )
