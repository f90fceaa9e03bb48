"""A small model that learns, or does not."""

from __future__ import annotations

import torch
from torch import nn


class Model(nn.Module):
    """An encoder and a head."""

    def __init__(self, *, cut_off: bool) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 4)
        self.head = nn.Linear(4, 1)
        self.cut_off = cut_off

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.encoder(x).tanh()
        if self.cut_off:
            features = features.detach()
        return self.head(features)


def train(
    *, steps: int = 6, cut_off: bool = False, frozen: bool = False, factor: float = 1.0
) -> None:
    """A few steps of gradient descent; ``factor`` scales the loss."""
    torch.manual_seed(0)
    model = Model(cut_off=cut_off)
    trained = [*(model.head if frozen else model).parameters()]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    x = torch.randn(8, 3)
    y = x.sum(1, keepdim=True)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = factor * nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
