"""Tests of training code: what reaches which gradients, what moves, and what the doctor finds.

    python -m pytest examples/testing

Each test trains for a few steps, and ``lens_run`` records them. A test that fails shows what is
wrong, at which line, and where its recording is.
"""

import torch
from torch import nn

import autograd_lens as lens


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.encoder(x))


def train(model, optimizer, steps=8):
    """A few steps on made-up flowers."""
    torch.manual_seed(0)
    x = torch.randn(48, 4)
    kinds = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), kinds)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_gradients_reach_the_whole_model(lens_run):
    model = Classifier()
    train(model, torch.optim.SGD(model.parameters(), lr=0.1))

    lens.assert_no_findings(lens_run)
    lens.assert_gradients_reach(lens_run, ["encoder.*", "head.*"])
    assert lens_run.losses[-1] < lens_run.losses[0]


def test_fine_tuning_moves_the_head_alone(lens_run):
    model = Classifier()
    model.encoder.requires_grad_(False)
    train(model, torch.optim.SGD(model.head.parameters(), lr=0.1))

    lens.assert_updates(lens_run, only=["head.*"])


def test_training_is_repeatable(tmp_path):
    runs = []
    for place in ("first.lens", "second.lens"):
        torch.manual_seed(1)
        model = Classifier()
        with lens.record(tmp_path / place) as run:
            train(model, torch.optim.SGD(model.parameters(), lr=0.1))
        runs.append(run)

    lens.assert_same(*runs)
