import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(161)


class LanguageGate(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fuse_v = nn.Linear(dim, dim)
        self.fuse_l = nn.Linear(dim, dim)
        self.res_gate = nn.Sequential(
            nn.Linear(dim, dim, bias=False),
            nn.ReLU(),
            nn.Linear(dim, dim, bias=False),
            nn.Tanh(),
        )
        nn.init.zeros_(self.res_gate[0].weight)  # bug
        nn.init.zeros_(self.res_gate[2].weight)

    def forward(self, visual, words):
        mixed = torch.relu(self.fuse_v(visual)) * torch.relu(self.fuse_l(words))
        return visual + self.res_gate(mixed) * mixed


class Referring(nn.Module):
    """answers whether the object named by the word is in the picture"""

    def __init__(self, dim=32, objects=6):
        super().__init__()
        self.see = nn.Sequential(nn.Linear(objects, dim), nn.ReLU())
        self.word = nn.Embedding(objects, dim)
        self.stages = nn.ModuleList(LanguageGate(dim) for _ in range(2))
        self.answer = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, picture, word):
        h, w = self.see(picture), self.word(word)
        for stage in self.stages:
            h = stage(h, w)
        return self.answer(h).squeeze(-1)


def sample(n):
    picture = (torch.rand(n, 6) < 0.5).float()
    word = torch.randint(0, 6, (n,))
    return picture, word, picture.gather(1, word.unsqueeze(1)).squeeze(1)


model = Referring()
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
for it in range(8):
    picture, word, there = sample(64)
    logits = model(picture, word)
    loss = F.binary_cross_entropy_with_logits(logits, there)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 50 == 49:
        acc = ((logits > 0).float() == there).float().mean().item()
        print(f"iter {it + 1} loss {loss.item():.4f} acc {acc:.3f}")
