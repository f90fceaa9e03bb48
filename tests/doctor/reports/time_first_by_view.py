import torch
from torch import nn

torch.manual_seed(126)
lstm = nn.LSTM(4, 16)
readout = nn.Linear(16, 3)
optimizer = torch.optim.Adam([*lstm.parameters(), *readout.parameters()], lr=1e-2)
videos = torch.randn(36, 8, 4)
label = videos[:, -1, :3].argmax(1)
for epoch in range(12):
    for rows in torch.randperm(36).split(12):
        frames = videos[rows].view(8, -1, 4)  # bug
        # fix: frames = videos[rows].transpose(0, 1)
        hidden, _ = lstm(frames)
        loss = nn.functional.cross_entropy(readout(hidden[-1]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
