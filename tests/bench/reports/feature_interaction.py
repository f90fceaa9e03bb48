import torch
import torch.nn as nn


class FieldAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.h, self.d = heads, dim // heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)

    def split(self, t):
        b, n, _ = t.shape
        return t.view(b, self.h, n, self.d)  # bug
        # fix: return t.view(b, n, self.h, self.d).transpose(1, 2)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        a = torch.softmax(q @ k.transpose(-1, -2) / self.d**0.5, -1)
        y = (a @ v).transpose(1, 2).reshape(b, n, c)
        return self.o(y), a


class Retriever(nn.Module):
    def __init__(self, n_keys=8, dim=32):
        super().__init__()
        self.key = nn.Embedding(n_keys, dim)
        self.val = nn.Linear(1, dim)
        self.ask = nn.Embedding(n_keys, dim)
        self.att = FieldAttention(dim, 4)
        self.out = nn.Linear(dim, 1)

    def forward(self, keys, values, question):
        mem = self.key(keys) + self.val(values.unsqueeze(-1))
        seq = torch.cat([self.ask(question).unsqueeze(1), mem], 1)
        y, _ = self.att(seq)
        return self.out(y[:, 0]).squeeze(-1)


torch.manual_seed(11)
net = Retriever()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for it in range(80):
    keys = torch.stack([torch.randperm(8)[:5] for _ in range(128)])
    values = torch.randn(128, 5)
    slot = torch.randint(0, 5, (128,))
    question = keys[torch.arange(128), slot]
    target = values[torch.arange(128), slot]
    loss = (net(keys, values, question) - target).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 20 == 19:
        print("it", it, "mse %.4f" % loss.item())
