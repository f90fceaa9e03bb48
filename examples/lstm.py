"""Remember a number over 40 steps: the task on which recurrent networks forget.

The first number of a sequence is to be said at its end; all between is noise. The forget gates are
opened at the start, without which no gradient of the end would reach the beginning. The gradient
is clipped, as it grows by the length of the sequence once the network begins to remember.
"""

import torch
from torch import nn

LENGTH = 40


class Memory(nn.Module):
    def __init__(self, size=24):
        super().__init__()
        self.lstm = nn.LSTM(1, size, batch_first=True)
        self.head = nn.Linear(size, 1)
        with torch.no_grad():
            self.lstm.bias_hh_l0[size : 2 * size] = 3.0  # the forget gates

    def forward(self, numbers):
        states, _ = self.lstm(numbers)
        return self.head(states[:, -1])


torch.manual_seed(0)
model = Memory()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
for step in range(160):
    numbers = torch.randn(32, LENGTH, 1)
    loss = nn.functional.mse_loss(model(numbers), numbers[:, 0])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
print(f"mean loss of the first 20 steps {sum(losses[:20]) / 20:.3f}, ", end="")
print(f"of the last 20 {sum(losses[-20:]) / 20:.3f}")
