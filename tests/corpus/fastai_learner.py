"""fastai: a Learner's one-cycle fit with its own optimizer, callbacks and hooks."""

import torch
from fastai.basics import DataLoader, DataLoaders, Learner, accuracy, set_seed
from fastai.callback.all import *  # noqa: F403  the library's way of adding its callbacks
from torch import nn

set_seed(30, reproducible=True)
x = torch.randn(128, 6)
y = (x[:, 0] + x[:, 1] ** 2 > 0.7).long()
pairs = list(zip(x, y, strict=True))
loaders = DataLoaders(DataLoader(pairs[:96], bs=16, shuffle=True), DataLoader(pairs[96:], bs=32))
net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 2))
learner = Learner(loaders, net, loss_func=nn.CrossEntropyLoss(), metrics=accuracy)
learner.logger = lambda row: print(row[:-1])
print("begin")
with learner.no_bar():
    learner.fit_one_cycle(5, 5e-3)
learner.save("model")
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
