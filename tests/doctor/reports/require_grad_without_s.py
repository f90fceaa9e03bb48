import torch
from torch import nn

torch.manual_seed(109)
features = nn.Sequential(nn.Conv1d(1, 6, 3), nn.ReLU(), nn.AdaptiveMaxPool1d(4), nn.Flatten())
classifier = nn.Linear(24, 3)
for param in features.parameters():
    param.require_grad = False  # bug
    # fix: param.requires_grad = False
model = nn.Sequential(features, classifier)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
signal = torch.randn(48, 1, 30)
kind = signal.squeeze(1)[:, :3].argmax(1)
for epoch in range(20):
    loss = nn.functional.cross_entropy(model(signal), kind)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
