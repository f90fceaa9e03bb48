import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)


def make_signals(n=320, steps=14):
    """Two-channel waves, the class is the frequency."""
    label = torch.randint(0, 3, (n,))
    freq = torch.tensor([0.5, 1.5, 3.0])[label].unsqueeze(1)
    t = torch.linspace(0, 1, steps).unsqueeze(0)
    phase = torch.rand(n, 1) * 2 * math.pi
    a = torch.sin(2 * math.pi * freq * t + phase)
    b = torch.cos(2 * math.pi * freq * t + phase)
    x = torch.stack([a, b], dim=2) + 0.05 * torch.randn(n, steps, 2)
    return x, label


class DecoderRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=2, hidden_size=48, num_layers=1)
        self.fc1 = nn.Linear(48, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        x = x.view(x.size(1), x.size(0), x.size(2))  # bug
        # fix: x = x.transpose(0, 1)
        out, (h_n, c_n) = self.lstm(x)
        h = torch.relu(self.fc1(h_n[-1]))
        return self.fc2(h)


x, y = make_signals()
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
net = DecoderRNN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

for epoch in range(7):
    total, correct = 0.0, 0
    for xb, yb in loader:
        optimizer.zero_grad()
        out = net(xb)
        loss = criterion(out, yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(yb)
        correct += (out.argmax(1) == yb).sum().item()
    print(f"epoch {epoch} loss {total / len(y):.4f} acc {correct / len(y):.3f}")
