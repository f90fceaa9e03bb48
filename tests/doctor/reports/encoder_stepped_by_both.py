import torch
from torch import nn

torch.manual_seed(311)


class Contrast(nn.Module):
    def __init__(self, encoder, size):
        super().__init__()
        self.encoder = encoder
        self.metric = nn.Parameter(torch.rand(size, size))

    def forward(self, one, other):
        scores = self.encoder(one) @ self.metric @ self.encoder(other).t()
        return nn.functional.cross_entropy(scores, torch.arange(len(one)))


encoder = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 8), nn.LayerNorm(8))
contrast = Contrast(encoder, 8)
encoder_optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
contrast_optimizer = torch.optim.Adam(contrast.parameters(), lr=1e-3)  # bug
# fix: contrast_optimizer = torch.optim.Adam([contrast.metric], lr=1e-3)
frames = torch.randn(80, 10)
for step in range(20):
    rows = torch.randperm(80)[:16]
    one = frames[rows] + 0.1 * torch.randn(16, 10)
    other = frames[rows] + 0.1 * torch.randn(16, 10)
    loss = contrast(one, other)
    encoder_optimizer.zero_grad()
    contrast_optimizer.zero_grad()
    loss.backward()
    encoder_optimizer.step()
    contrast_optimizer.step()
print(loss.item())
