import torch
import torch.nn as nn
import torch.nn.functional as F

KEYS, DIM, HEADS, N = 16, 64, 2, 12


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.hd = DIM // HEADS
        self.scaling = self.hd**-0.5
        self.key_emb = nn.Embedding(KEYS, DIM)
        self.val_emb = nn.Embedding(8, DIM)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(DIM, DIM, bias=False) for _ in range(4))
        self.out = nn.Linear(DIM, 8)

    def heads(self, t):
        return t.view(t.shape[0], -1, HEADS, self.hd).transpose(1, 2)

    def forward(self, keys, vals, ask):
        mem = self.key_emb(keys)
        q = F.rms_norm(self.heads(self.wq(self.key_emb(ask)[:, None])), (self.hd,)) * self.scaling
        k = F.rms_norm(self.heads(self.wk(mem)), (self.hd,))
        v = self.heads(self.wv(mem + self.val_emb(vals)))
        y = F.scaled_dot_product_attention(q, k, v)  # bug
        # fix: y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return self.out(self.wo(y.transpose(1, 2).reshape(len(ask), DIM)))


torch.manual_seed(33)
net = Lookup()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(80):
    keys = torch.stack([torch.randperm(KEYS)[:N] for _ in range(64)])
    vals = torch.randint(0, 8, (64, N))
    pick = torch.randint(0, N, (64,))
    ask, answer = keys[torch.arange(64), pick], vals[torch.arange(64), pick]
    logits = net(keys, vals, ask)
    loss = F.cross_entropy(logits, answer)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            round(loss.item(), 4),
            "acc",
            round((logits.argmax(1) == answer).float().mean().item(), 3),
        )
