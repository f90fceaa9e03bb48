import torch
from torch import nn

torch.manual_seed(0)
lstm = nn.LSTM(2, 6)
head = nn.Linear(6, 1)
params = list(lstm.parameters()) + list(head.parameters())
optimizer = torch.optim.Adam(params, lr=0.01)
state = None
series = torch.randn(40, 3, 2)
for chunk in series.split(5):
    out, state = lstm(chunk, state)
    state = tuple(s.detach() for s in state)
    loss = (head(out) - chunk.sum(-1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
