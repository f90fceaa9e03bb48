"""Cells and layers in loops that begin anew on purpose, or keep their state otherwise."""

import torch
from torch import nn

torch.manual_seed(0)
cell, layer, head = nn.GRUCell(3, 8), nn.GRU(3, 8, batch_first=True), nn.Linear(8, 2)
cells = nn.ModuleList([nn.GRUCell(8, 8), nn.GRUCell(8, 8)])
parts = nn.ModuleList([cell, layer, head, cells])
optimizer = torch.optim.Adam(parts.parameters(), lr=0.01)
for _ in range(5):
    x = torch.randn(16, 4, 3)
    y = (x[:, 0, 0] > 0).long()
    states = {"low": torch.zeros(16, 8)}
    for t in range(4):
        states["low"] = cell(x[:, t], states["low"])
    h = states["low"]
    for one in cells:
        h = one(h)
    sentences = []
    for part in x.split(4):
        _, last = layer(part)
        sentences.append(last[-1])
    loss = nn.functional.cross_entropy(head(h + torch.cat(sentences)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
