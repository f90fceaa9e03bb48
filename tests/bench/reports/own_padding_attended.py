import torch
from torch import nn

torch.manual_seed(0)
emb, att, head = (
    nn.Embedding(20, 16, padding_idx=0),
    nn.MultiheadAttention(16, 2, batch_first=True),
    nn.Linear(16, 2),
)
opt = torch.optim.Adam([*emb.parameters(), *att.parameters(), *head.parameters()], lr=0.01)
for _ in range(20):
    text = torch.randint(1, 20, (16, 8))
    text = text * (torch.arange(8) < torch.randint(3, 8, (16, 1)))
    y = (text[:, 0] > 10).long()
    mask = text != 0  # bug
    # fix: mask = text == 0
    h = emb(text)
    out, _ = att(h, h, h, key_padding_mask=mask)
    loss = nn.functional.cross_entropy(head(out[:, 0]), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
