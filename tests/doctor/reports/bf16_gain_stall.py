import torch
import torch.nn as nn

torch.manual_seed(20)

BANDS = 64
DTYPE = torch.bfloat16


class Equalizer(nn.Module):
    """Per-band gain and offset, starts as the identity."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(BANDS, dtype=DTYPE))  # bug
        # fix: self.gain = nn.Parameter(torch.ones(BANDS))

    def forward(self, spectrum):
        return spectrum * self.gain  # bug
        # fix: return spectrum * self.gain.to(spectrum.dtype)


true_gain = 1.0 + 0.06 * torch.sin(torch.linspace(0, 6.0, BANDS))


def recordings(n):
    clean = torch.randn(n, BANDS)
    return clean, clean * true_gain


model = Equalizer()
optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-3)

for step in range(60):
    clean, measured = recordings(128)
    out = model(clean.to(DTYPE)).float()
    loss = ((out - measured) ** 2).mean() / 0.06**2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} relative error {loss.item():.4f}")
