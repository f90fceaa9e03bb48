import torch
import torch.nn as nn
import torch.nn.functional as F

V, MASK, T = 16, 16, 12


def sentences(n):
    start = torch.randint(0, V, (n, 1))
    step = torch.randint(1, 4, (n, 1))
    return (start + step * torch.arange(T)) % V


def collate(ids, p=0.15):
    inputs, labels = ids.clone(), ids.clone()
    chosen = torch.rand(ids.shape) < p
    chosen[:, 5] = True
    inputs[chosen] = MASK
    labels[chosen] = -100  # bug
    # fix: labels[~chosen] = -100
    return inputs, labels


class Filler(nn.Module):
    def __init__(self, d=64):
        super().__init__()
        self.tok = nn.Embedding(V + 1, d)
        self.pos = nn.Parameter(torch.randn(T, d) * 0.1)
        self.c1 = nn.Conv1d(d, d, 5, padding=2)
        self.c2 = nn.Conv1d(d, d, 5, padding=2)
        self.out = nn.Linear(d, V)

    def forward(self, ids):
        x = (self.tok(ids) + self.pos).transpose(1, 2)
        x = x + F.relu(self.c1(x))
        x = x + F.relu(self.c2(x))
        return self.out(x.transpose(1, 2))


torch.manual_seed(12)
model = Filler()
optim = torch.optim.Adam(model.parameters(), lr=3e-3)
for it in range(80):
    text = sentences(64)
    inputs, labels = collate(text)
    logits = model(inputs)
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    optim.zero_grad()
    loss.backward()
    optim.step()
    if it % 16 == 15:
        hid = inputs == MASK
        acc = (logits.argmax(-1)[hid] == text[hid]).float().mean().item()
        print(it, f"loss {loss.item():.4f} accuracy at hidden words {acc:.3f}")
