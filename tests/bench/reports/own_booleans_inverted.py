import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 16)
        self.qkv = nn.Linear(16, 48)
        self.h = nn.Linear(16, 2)

    def forward(self, t, pad):
        q, k, v = self.qkv(self.e(t)).chunk(3, -1)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=pad[:, None, :])  # bug
        # fix: o = F.scaled_dot_product_attention(q, k, v, attn_mask=~pad[:, None, :])
        return self.h(o[:, 0])


m = A()
opt = torch.optim.Adam(m.parameters(), lr=0.01)
for _ in range(20):
    t = torch.randint(1, 20, (16, 8))
    pad = torch.arange(8) >= torch.randint(3, 8, (16, 1))
    t = t.masked_fill(pad, 0)
    y = (t[:, 1] > 10).long()
    loss = F.cross_entropy(m(t, pad), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
