"""Every optimizer of torch.optim trains as it would, and its updates are recorded right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import autograd_lens as lens
from tests.support.twins import bare, recorded

Made = Callable[[Any], torch.optim.Optimizer]

WITH_FOREACH = (
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
)
FUSED = (torch.optim.Adagrad, torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

CASES: dict[str, Made] = {
    **{f"{k.__name__}-loop": lambda p, k=k: k(p, lr=0.1, foreach=False) for k in WITH_FOREACH},
    **{f"{k.__name__}-foreach": lambda p, k=k: k(p, lr=0.1, foreach=True) for k in WITH_FOREACH},
    **{f"{k.__name__}-fused": lambda p, k=k: k(p, lr=0.1, fused=True) for k in FUSED},
    "Adafactor": torch.optim.Adafactor,
    "SGD-nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("case", CASES)
def test_updates_hold_the_parameters_before_and_after(case: str, tmp_path: Path) -> None:
    def program(see: Callable[..., None]) -> None:
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x, y = torch.randn(4, 3), torch.randn(4, 2)
        optimizer = CASES[case](model.parameters())
        see(*model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            functional.mse_loss(model(x), y).backward()
            optimizer.step()
            see(*model.parameters())

    expected = bare(program)
    assert recorded(program, tmp_path / "run.lens") == expected

    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 2
        for step, before, after in zip(trace.steps, expected.seen, expected.seen[1:], strict=False):
            updates = {update.parameter: update for update in step.updates}
            assert list(updates) == [p.name for p in trace.parameters.values()]
            for update, old, new in zip(updates.values(), before, after, strict=True):
                assert update.before is not None
                assert update.after is not None
                assert (update.before.data, update.after.data) == (old[2], new[2])
                assert update.expression
                assert {step.kernels[k].phase for k in update.kernels} == {"update"}
