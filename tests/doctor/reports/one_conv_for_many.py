import torch
from torch import nn

torch.manual_seed(140)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(1, 8, 3, padding=1)
        self.conv1 = nn.Conv1d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv1d(8, 8, 3, padding=1)
        self.last = nn.Conv1d(8, 1, 3, padding=1)

    def forward(self, x):
        out = torch.relu(self.first(x))
        out = torch.relu(self.conv1(out))
        out = torch.relu(self.conv1(out))  # bug
        # fix: out = torch.relu(self.conv2(out))
        return self.last(out) + x


model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
clean = torch.sin(torch.linspace(0, 6, 24)).repeat(32, 1, 1)
for epoch in range(15):
    loss = nn.functional.mse_loss(model(clean + 0.3 * torch.randn_like(clean)), clean)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
