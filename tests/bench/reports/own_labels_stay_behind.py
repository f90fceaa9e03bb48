import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

torch.manual_seed(0)
gru, head = nn.GRU(2, 10, batch_first=True), nn.Linear(10, 2)
opt = torch.optim.Adam([*gru.parameters(), *head.parameters()], lr=0.01)
for _ in range(25):
    x, lengths = torch.randn(24, 8, 2), torch.randint(2, 9, (24,))
    y = (x[:, 0, 0] > 0).long()
    lengths, order = lengths.sort(descending=True)
    x = x[order]
    # fix: y = y[order]
    packed = pack_padded_sequence(x, lengths, batch_first=True)  # bug
    # fix: packed = pack_padded_sequence(x, lengths, batch_first=True)
    _, state = gru(packed)
    loss = nn.functional.cross_entropy(head(state[-1]), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
