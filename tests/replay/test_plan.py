"""What a plan knows of a template's values."""

from __future__ import annotations

from pathlib import Path

import torch

import autograd_lens as lens
from autograd_lens.replay.plan import Plan


def test_a_view_of_memory_that_nobody_set_holds_what_nobody_set(tmp_path: Path) -> None:
    w = torch.ones(4, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(2, progress=False):
            memory = torch.empty(4).view(2, 2)
            memory.copy_(torch.ones(2, 2))
            (w * memory.view(4)).sum().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        encoded = trace.encoded(0)
    assert encoded is not None
    plan = Plan.of(encoded.template)
    views = [call for call in plan.calls if call.op == "aten.view.default"]
    before, behind = ({place.slot for place in call.kernel.makes} for call in views[:2])
    assert before <= plan.uninitialised
    assert behind.isdisjoint(plan.uninitialised)
