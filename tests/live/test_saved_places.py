"""What a node of a graph has saved is found by the way to it."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from autograd_lens.live.graph_walk import SavedPlace, saved_at


def test_labels_are_found_by_the_way_from_the_root() -> None:
    labels = torch.tensor([0, 1])
    loss = cross_entropy(torch.randn(2, 3, requires_grad=True), labels) * 2
    assert saved_at([loss], SavedPlace((0,), "NllLossBackward0", "target")) is labels


def test_another_graph_has_nothing_there() -> None:
    loss = torch.randn(2, 3, requires_grad=True).exp().sum()
    for path in ((), (0,), (0, 0, 0), (5,)):
        assert saved_at([loss], SavedPlace(path, "NllLossBackward0", "target")) is None
    place = SavedPlace((0,), "ExpBackward0", "result")
    assert saved_at([loss, loss], place) is None, "which root is meant is not known"
