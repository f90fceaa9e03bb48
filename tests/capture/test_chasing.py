"""How long a graph is waited for that was seen at light level only."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import autograd_lens as lens


def watched_steps(path: Path, steps: int) -> list[int]:
    """The steps that ran under the recorder's mode.

    ``reshape`` makes another node under a dispatch mode than it does alone.
    """
    w = torch.ones(4, 4, requires_grad=True)
    watched = []
    with lens.record(path):
        for step in range(steps):
            loss = w[:, :2].reshape(4, 2, 1).sum()
            loss.backward()
            if _get_current_dispatch_mode_stack():
                watched.append(step)
            with torch.no_grad():
                w -= 0.01 * w.grad
                w.grad = None
    return watched


def test_a_graph_that_never_comes_under_the_mode_is_not_waited_for_again(tmp_path: Path) -> None:
    watched = watched_steps(tmp_path / "run.lens", 160)
    scheduled = {0, 1, 2, 5, 10, 20, 50, 100}
    waited = [step for step in watched if step not in scheduled and step + 1 not in scheduled]
    assert 4 in watched  # for a moment
    assert len(waited) <= 21
    assert max(waited, default=0) < 40
