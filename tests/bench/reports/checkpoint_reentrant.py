import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

warnings.filterwarnings("ignore")
torch.manual_seed(41)


class Emulator(nn.Module):
    """Encoder, processor and decoder; activations are recomputed to save memory."""

    def __init__(self, fields=6, hidden=48, checkpointing=1):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(fields, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
        self.processor = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
        self.decoder = nn.Linear(hidden, fields)
        self.checkpointing = checkpointing

    def _run(self, block, x):
        if self.checkpointing > 0 and self.training:
            return checkpoint(block, x, use_reentrant=True)  # bug
            # fix: return checkpoint(block, x, use_reentrant=False)
        return block(x)

    def forward(self, x):
        h = self._run(self.encoder, x)
        h = h + self.processor(h)
        return x + self.decoder(h)


def advance(state):
    nxt = state.roll(1, dims=1) * 0.6 + torch.tanh(state * state.roll(-1, dims=1)) * 0.5
    return nxt


model = Emulator()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
model.train()
for step in range(60):
    state = torch.randn(128, 6)
    loss = F.mse_loss(model(state), advance(state))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} one-step error {loss.item():.4f}")
