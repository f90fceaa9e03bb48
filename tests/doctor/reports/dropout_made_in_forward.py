import torch
from torch import nn

torch.manual_seed(132)


class Saliency(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 5, padding=2)
        self.last = nn.Conv1d(6, 1, 1)
        # fix: self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = nn.Dropout(0.5)(x)  # bug
        # fix: x = self.drop(x)
        return self.last(x)


model = Saliency()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
frames, held_out = torch.randn(40, 1, 20), torch.randn(10, 1, 20)
for epoch in range(10):
    model.train()
    loss = nn.functional.mse_loss(model(frames), frames.abs())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        print(nn.functional.mse_loss(model(held_out), held_out.abs()).item())
