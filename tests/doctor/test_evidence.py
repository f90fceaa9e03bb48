"""What rules read of a trace: which steps, which values count as zero, which warnings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import autograd_lens as lens
from autograd_lens.doctor import evidence
from autograd_lens.doctor.evidence import Evidence, finite, is_zero, warned
from autograd_lens.doctor.experiments import Experiments
from autograd_lens.trace.records import Event
from autograd_lens.trace.values import Summary, Value

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import programs

STEPS = 24

Recording = Callable[[str], Path]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    def record(full: str) -> Path:
        path = tmp_path_factory.mktemp("evidence") / "line.lens"
        torch.manual_seed(3)
        with lens.record(path, full=full):
            loop = programs.line()
            for _ in range(STEPS):
                next(loop)
        return path

    return record


def opened(path: Path, *, tries: bool = False) -> list[int]:
    with lens.open(path) as trace:
        found = Evidence(trace, Experiments(trace.laboratory) if tries else None)
        return [step.index for step in found.full]


def test_a_full_step_alone_is_looked_at(recording: Recording) -> None:
    assert opened(recording("0:1")) == [0]


def test_later_steps_are_opened_where_only_the_first_are_full(recording: Recording) -> None:
    path = recording("0:2")
    assert opened(path) == [0, 1]
    assert opened(path, tries=True) == [0, 1, (STEPS - 1) // 2, STEPS - 2]


def test_of_many_full_steps_as_many_are_looked_at_as_their_kernels_allow(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording("all")
    with lens.open(path) as trace:
        kernels = len(trace.steps[0].kernels)
    monkeypatch.setattr(evidence, "_KERNELS", 7 * (kernels + 1) - 1)
    assert opened(path) == [0, 1, 2, 3, 13, 23]
    monkeypatch.setattr(evidence, "_KERNELS", 1)  # never fewer than these
    assert opened(path) == [0, 1, 2, 23]


def value(numbers: Any) -> Value:
    array = np.asarray(numbers, np.float32)
    return Value("float32", array.shape, array.tobytes())


def summed_up(norm: float, **counts: int) -> Value:
    return Value("float32", (4,), None, Summary("0" * 32, norm, **counts))


@pytest.mark.parametrize(
    ("found", "zero"),
    [
        (None, True),
        (value([0.0, -0.0]), True),
        (value([0.0, 1.0]), False),
        (value([1e-45]), False),
        (summed_up(0.0), True),
        (summed_up(1.0), False),
    ],
    ids=["none", "zeros", "a one", "the smallest", "summed up", "summed up, not zero"],
)
def test_what_counts_as_zero(found: Value | None, zero: bool) -> None:
    assert is_zero(found) is zero


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, True),
        (value([1.0]), True),
        (value([1.0, np.nan]), False),
        (value([1.0, np.inf]), False),
        (summed_up(2.0, nan_count=0, inf_count=0), True),
        (summed_up(2.0, nan_count=0, inf_count=1), False),
        (summed_up(np.nan, nan_count=1, inf_count=0), False),
        (summed_up(2.0), True),
        (Value("quint8", (1,), b"\0"), True),
    ],
)
def test_what_counts_as_finite(found: Value | None, expected: bool) -> None:
    assert finite(found) is expected


def test_only_warnings_are_warnings() -> None:
    events = [
        Event("incomplete", 1, "The step was slow."),
        Event("exception", 1, "The step failed."),
        Event("warning", 2, "Other."),
        Event("warning", 3, "The step warned.", "main.py:7: UserWarning\nmore"),
    ]
    found: Any = SimpleNamespace(trace=SimpleNamespace(events=events))
    event, source = warned(found, "The step") or (None, None)
    assert event is events[3]
    assert source is not None
    assert (source.file, source.line) == ("main.py", 7)
    assert warned(found, "Nothing") is None
