"""Which steps are recorded in full where nobody said which, and where all are to open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autograd_lens as lens
from autograd_lens.capture import pace
from autograd_lens.capture.pace import Pace
from autograd_lens.capture.schedule import parse_schedule
from autograd_lens.replay.verify import verify


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_FREE", 0.1)


def taken(monkeypatch: pytest.MonkeyPatch, text: str, light: float, full: float) -> list[int]:
    """The steps that are recorded in full where steps take so many seconds."""
    now, found = [0.0], []
    monkeypatch.setattr(pace.time, "thread_time", lambda: now[0])
    chosen = Pace(parse_schedule(text))
    for step in range(1001):
        recorded = chosen.next(step) == step
        if recorded:
            found.append(step)
            chosen.begins(step)
        now[0] += full if recorded else light
        if recorded:
            chosen.ended(step)
        chosen.next(step)
    return found


def test_cheap_steps_are_taken_as_the_default_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken(monkeypatch, "default", 0.0001, 0.001)
    assert found == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def test_dear_ones_take_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken(monkeypatch, "default", 0.1, 0.4)
    assert found[:3] == [0, 1, 2]
    assert len(found) < 7
    assert 1000 in found


def test_those_that_somebody_asked_for_are_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken(monkeypatch, "default,every:100,7", 0.1, 0.4)
    assert {7, *range(0, 1001, 100)} <= {*found}
    assert 5 not in found


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(_ctx: Any, *grads: Any) -> Any:
        return torch.from_numpy(grads[0].numpy() * 2)


def descend(path: Path, kind: str) -> lens.Trace:
    w, data = torch.ones(3, requires_grad=True), torch.linspace(0, 1, 30).reshape(10, 3)
    with lens.record(path, full="all"):
        for step in range(120):
            if kind == "hook" and step == 0:
                w.register_hook(lambda grad: torch.from_numpy(grad.numpy() * np.float32(0.5)))
            made = Doubled.apply(data @ w) if kind == "function" else data @ w
            loss = made.square().mean()
            if kind == "late" and step % 50 == 49:
                loss = loss + w.abs().sum()
            loss.backward()
            w.data -= 0.1 * w.grad
            w.grad = None
    return lens.open(path)


@pytest.mark.parametrize(
    ("kind", "first"), [("plain", 120), ("function", 0), ("hook", 0), ("late", 51)]
)
def test_all_steps_open_by_a_replay_or_recorded(tmp_path: Path, kind: str, first: int) -> None:
    with descend(tmp_path / "run.lens", kind) as trace:
        levels = [step.level for step in trace.steps]
        assert set(range(first, 120)) <= set(trace.full_steps)
        missing = [step for step, level in enumerate(levels) if level != "full"]
        assert missing in ([], [49])  # of a structure that was new there
        if kind == "plain":
            assert len(trace.full_steps) < 40
        if kind in {"plain", "late"}:
            checks = verify(trace, range(120)).checks
            assert not any(check.mismatches for check in checks)


@pytest.mark.parametrize("models", [2, 4])
@pytest.mark.parametrize("spared", [False, True])
def test_models_in_turn_are_all_recorded_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: int, *, spared: bool
) -> None:
    if spared:
        monkeypatch.setattr(pace, "_FREE", 0.0)
        monkeypatch.setattr(pace, "_SHARE", 0.0)
    nets = [torch.nn.Linear(4, 2) for _ in range(models)]
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5) for net in nets]
    with lens.record(tmp_path / "run.lens"):
        for step in range(48):
            turn = step % models
            optimizers[turn].zero_grad()
            (nets[turn](torch.randn(3, 4)) ** 2).mean().backward()
            optimizers[turn].step()
    with lens.open(tmp_path / "run.lens") as trace:
        assert verify(trace, range(48)).complete
        # Behind the first, each comes once more to tell what changes from step to step.
        assert set(range(2 * models)) <= {*trace.full_steps} <= {*range(2 * models + 1), 5, 10, 20}
