"""Memory that a cleared ``.grad`` gave back is no ``.grad`` any more, whoever gets it next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import autograd_lens as lens


def train(turns: int) -> None:
    """The forward draws its noise where the last turn had its ``.grad``, as happens to malloc."""
    w, memory = torch.ones(8, requires_grad=True), np.zeros(8, np.float32)
    for _ in range(turns):
        noise = torch.from_numpy(memory)
        noise.bernoulli_(0.5)
        loss = (w * noise.clone()).sum()
        w.grad = torch.from_numpy(memory)
        w.grad.zero_()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None


def test_the_next_forward_is_not_taken_for_an_update(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens", full="all"):
        train(4)
    with lens.open(tmp_path / "run.lens") as trace:
        steps = list(trace.steps)
    assert len(steps) == 4
    for step in steps[1:]:  # a run begins with its first node, so behind the first noise
        phases = {kernel.op.split(".")[1]: kernel.phase for kernel in step.kernels}
        assert (phases["bernoulli_"], phases["sub_"]) == ("forward", "update")
