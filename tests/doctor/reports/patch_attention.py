import torch
import torch.nn as nn

torch.manual_seed(16)


class AttentionBlock(nn.Module):
    def __init__(self, channels, n_heads=2, d_k=16):
        super().__init__()
        self.n_heads, self.d_k = n_heads, d_k
        self.norm = nn.GroupNorm(4, channels)
        self.projection = nn.Linear(channels, n_heads * d_k * 3)
        self.output = nn.Linear(n_heads * d_k, channels)
        self.scale = d_k**-0.5

    def forward(self, x):
        b, c, h, w = x.shape
        seq = self.norm(x).view(b, c, -1).permute(0, 2, 1)
        qkv = self.projection(seq).view(b, -1, self.n_heads, 3 * self.d_k)
        q, k, v = torch.chunk(qkv, 3, dim=-1)
        attn = torch.einsum("bihd,bjhd->bijh", q, k) * self.scale
        attn = attn.softmax(dim=1)  # bug
        # fix: attn = attn.softmax(dim=2)
        res = torch.einsum("bijh,bjhd->bihd", attn, v).reshape(b, -1, self.n_heads * self.d_k)
        res = self.output(res).permute(0, 2, 1).reshape(b, c, h, w)
        return x + res


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.attn = AttentionBlock(16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        h = self.attn(torch.relu(self.stem(x)))
        return self.head(h.mean(dim=(2, 3)))


labels = torch.randint(0, 4, (160,))
images = 0.5 * torch.randn(160, 1, 12, 12)
for n in range(160):
    c = labels[n].item()
    images[n, 0, 3 * (c // 2) : 3 * (c // 2) + 6, 3 * (c % 2) : 3 * (c % 2) + 6] += 0.8 + 0.4 * c

net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(40):
    idx = torch.randint(0, 160, (32,))
    loss = criterion(net(images[idx]), labels[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 8 == 0 or step == 39:
        print(f"step {step:2d}  loss {loss.item():.4f}")
