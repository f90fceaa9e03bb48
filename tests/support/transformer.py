"""A small language model of PyTorch's own parts: transformer encoder, dropout, Adam."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Size:
    """How large the model and its batches are.

    Attributes:
        layers: Encoder layers.
        width: Size of a token's vector.
        heads: Attention heads.
        words: Size of the vocabulary.
        batch: Sequences in a batch.
        length: Tokens of a sequence.
    """

    layers: int = 6
    width: int = 256
    heads: int = 8
    words: int = 1000
    batch: int = 8
    length: int = 64


class LanguageModel(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            size.width, size.heads, 4 * size.width, dropout=0.1, batch_first=True
        )
        self.embedding = nn.Embedding(size.words, size.width)
        self.encoder = nn.TransformerEncoder(layer, size.layers)
        self.head = nn.Linear(size.width, size.words)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.encoder(self.embedding(words)))
        return scores


class Training:
    """A training that goes on for as many steps as are asked for, each with its own batch."""

    def __init__(self, size: Size) -> None:
        torch.manual_seed(0)
        self.size = size
        self.model = LanguageModel(size)
        self.loss_fn = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def run(self, steps: int) -> list[tuple[float, float]]:
        """Train; returns the seconds of each step, on the clock and of this thread's own work."""
        size, seconds = self.size, []
        for _ in range(steps):
            begin = time.perf_counter(), time.thread_time()
            text = torch.randint(size.words, (size.batch, size.length + 1))
            words, following = text[:, :-1], text[:, 1:]
            loss = self.loss_fn(self.model(words).flatten(0, 1), following.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            seconds.append((time.perf_counter() - begin[0], time.thread_time() - begin[1]))
        return seconds
