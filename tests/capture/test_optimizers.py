"""Every optimizer of torch.optim trains as it would, and its updates are recorded right."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import autograd_lens as lens
from autograd_lens.replay.verify import verify
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


def in_closures(steps: int, *, watched: lens.Recording | None = None) -> None:
    """Trains on another batch in every step, as trainers do that hand a closure on."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer: Any = torch.optim.Adam(model.parameters(), lr=0.01)
    if watched is not None:
        optimizer = watched.watch(optimizer)
    told = []
    for _ in range(steps):
        x = torch.randn(5, 3)

        def closure(x: torch.Tensor = x) -> torch.Tensor:
            loss = model(x).square().mean()
            told.append(loss.detach().clone())
            optimizer.zero_grad()
            loss.backward()
            return loss

        with torch.no_grad():
            optimizer.step(closure)


@pytest.mark.parametrize("watch", [False, True])
def test_what_a_closure_runs_before_its_backward_is_no_update(tmp_path: Path, watch: bool) -> None:
    with lens.record(tmp_path / "run.lens") as run:
        in_closures(3, watched=run if watch else None)
    with lens.open(tmp_path / "run.lens") as trace:
        phases = [kernel.phase for kernel in trace.steps[2].kernels]
        ops = {kernel.op for kernel in trace.steps[2].kernels if kernel.phase == "forward"}
    order = [phase for phase, _ in groupby(one for one in phases if one != "zero_grad")]
    assert order[:3] == ["forward", "backward", "update"]
    assert {"aten.addmm.default", "aten.clone.default"} <= ops


def test_batches_that_a_closure_reads_are_kept(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"):
        in_closures(40)
    with lens.open(tmp_path / "run.lens") as trace:
        assert verify(trace, range(40)).complete


def test_an_update_that_fails_within_another_ends_both(tmp_path: Path) -> None:
    class Outer(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            inner.step()
            super().step()
            if len(fails) > 1:
                raise ValueError(fails.pop())
            return closure

    w, v = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    inner = torch.optim.SGD([v], lr=0.1)
    outer, fails = Outer([w], lr=0.1), ["", "once", "twice"]
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(4):
            (w * v).sum().backward()
            with contextlib.suppress(ValueError):
                outer.step()
            outer.zero_grad()
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 4
        for step in trace.steps:
            assert {update.parameter for update in step.updates} == {"w", "v"}
        assert verify(trace, range(4)).complete


def test_a_recording_may_begin_within_an_update(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer, run = torch.optim.SGD([w], lr=0.1), lens.record(tmp_path / "run.lens")

    def closure() -> float:
        run.__enter__()
        loss = (w * w).sum()
        loss.backward()
        return loss.item()

    optimizer.step(closure)
    run.__exit__(None, None, None)
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 1
