"""Updates that put a new tensor in a parameter's place are updates like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import autograd_lens as lens

RATE = 0.1


def data_assigned(w: torch.Tensor) -> torch.Tensor:
    w.data = w.data - RATE * w.grad
    w.grad = None
    return w


def rebound(w: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        new = w - RATE * w.grad
    return new.requires_grad_()


@pytest.mark.parametrize("update", [data_assigned, rebound])
def test_the_update_is_explained_by_the_kernels_that_made_the_new_tensor(
    update: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    seen = [w.detach().clone()]
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(4):
            (w * w).sum().backward()
            w = update(w)
            seen.append(w.detach().clone())
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 4
        for number, step in enumerate(trace.steps[:3]):
            (made,) = step.updates
            assert made.expression == "w - 0.1 * w.grad"
            assert made.after is not None
            assert made.after.array.tolist() == seen[number + 1].tolist()
            assert step.parameters["w"].before.array.tolist() == seen[number].tolist()
