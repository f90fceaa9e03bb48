import torch
from torch import nn

torch.manual_seed(0)
lstm, head = nn.LSTM(1, 16, batch_first=True), nn.Linear(16, 1)
opt = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=0.01)
wave = torch.sin(torch.arange(400) * 0.1)


def windows(n=20):
    i = torch.randint(0, 370, (32,))
    idx = i[:, None] + torch.arange(n)
    return wave[idx][..., None], wave[i + n - 1][:, None]  # bug
    # fix: return wave[idx][..., None], wave[i + n][:, None]


for _ in range(20):
    x, y = windows()
    out, _ = lstm(x)
    loss = ((head(out[:, -1]) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
