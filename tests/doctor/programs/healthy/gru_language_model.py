import torch
from torch import nn

torch.manual_seed(0)
text = torch.randint(0, 12, (6, 25))
emb, rnn, out = nn.Embedding(12, 8), nn.GRU(8, 16, batch_first=True), nn.Linear(16, 12)
opt = torch.optim.Adam([*emb.parameters(), *rnn.parameters(), *out.parameters()], lr=0.01)
for epoch in range(3):
    h = None
    for t in range(0, 24, 6):
        y, h = rnn(emb(text[:, t : t + 6]), h)
        h = h.detach()
        loss = nn.functional.cross_entropy(out(y).flatten(0, 1), text[:, t + 1 : t + 7].flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(rnn.parameters(), 0.5)
        opt.step()
