"""A small language model; ``--diagonal 2`` lets every word see the one that it has to guess."""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--diagonal", type=int, default=1)
arguments = parser.parse_args()


class Model(nn.Module):
    def __init__(self, words: int = 24, width: int = 32) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(16, width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, words))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        h = self.words(ids) + self.places(torch.arange(length))
        hidden = torch.ones(length, length, dtype=torch.bool).triu(arguments.diagonal)
        h = h + self.attention(h, h, h, attn_mask=hidden, need_weights=False)[0]
        return self.head(h)


torch.manual_seed(0)
model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
text = torch.randint(0, 24, (200, 17)).cumsum(1) % 24
for step in range(200):
    batch = text[torch.randint(0, 200, (16,))]
    scores = model(batch[:, :-1])
    loss = F.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
