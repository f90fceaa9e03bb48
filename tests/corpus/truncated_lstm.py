"""A hand loop: an LSTM carried over chunks of a sequence, clipped by value, learning rate cut."""

import torch
from torch import nn

torch.manual_seed(6)
wave = torch.sin(torch.arange(0, 60, 0.1)) + 0.1 * torch.randn(600)
batch = wave[:-1].reshape(-1)[:560].reshape(4, 140)
target = wave[1:][:560].reshape(4, 140)


class Follow(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(1, 16, num_layers=2, dropout=0.1, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x, state):
        out, state = self.rnn(x.unsqueeze(-1), state)
        return self.head(out).squeeze(-1), state


net = Follow()
optimizer = torch.optim.RMSprop(net.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
print("begin")
for epoch in range(5):
    state = tuple(torch.zeros(2, 4, 16) for _ in range(2))
    total = 0.0
    for x, y in zip(batch.split(20, 1), target.split(20, 1), strict=True):
        state = tuple(s.detach() for s in state)
        prediction, state = net(x, state)
        loss = nn.functional.mse_loss(prediction, y)
        net.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(net.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    scheduler.step(total)
    print(epoch, total, optimizer.param_groups[0]["lr"])
print("end", [p.sum().item() for p in net.parameters()][:4], torch.rand(1).item())
