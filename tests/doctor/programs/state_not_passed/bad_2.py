import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
embed, cell, score = nn.Embedding(9, 8), nn.LSTMCell(8, 16), nn.Linear(16, 9)
parts = nn.ModuleList([embed, cell, score])
optim = torch.optim.Adam(parts.parameters(), lr=5e-3)


def unroll(words, begin):
    h, c = begin
    scores = []
    for word in words.unbind(1):
        state, memory = cell(embed(word), (h, c))
        scores.append(score(state))
    return torch.stack(scores, 1)


for _ in range(8):
    words = torch.randint(0, 9, (16, 7))
    begin = torch.zeros(16, 16), torch.zeros(16, 16)
    echo = words.roll(1, 1)[:, 1:]
    loss = F.cross_entropy(unroll(words[:, 1:], begin).flatten(0, 1), echo.flatten())
    optim.zero_grad()
    loss.backward()
    optim.step()
