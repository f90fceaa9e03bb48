import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(317)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 7))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
labels = torch.randint(1, 7, (40, 4))
frames = F.one_hot(labels.repeat_interleave(3, 1) - 1, 6) + 0.1 * torch.randn(40, 12, 6)
for epoch in range(4):
    for rows in torch.randperm(40).split(10):
        scores = model(frames[rows]).transpose(0, 1)
        # fix: scores = scores.log_softmax(2)
        loss = F.ctc_loss(scores, labels[rows], torch.full((10,), 12), torch.full((10,), 4))  # bug
        # fix: loss = F.ctc_loss(scores, labels[rows], torch.full((10,), 12), torch.full((10,), 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
