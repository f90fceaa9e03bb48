"""What findings say was tried, and what becomes of them where nothing can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from autograd_lens.doctor.experiments import Experiments
from autograd_lens.errors import ReplayError
from autograd_lens.trace.outcomes import Descent, Disturbance, Laboratory, Slope, WhatIf
from tests.doctor.conftest import PROGRAMS, Diagnose
from tests.doctor.twins import REPORTS, Twins

_SAMPLE = Disturbance(step=3, kernel=5, tensor=2, axis=0, reader=9, result=7)


class _Bench:
    """A laboratory whose descents halve the loss with rates below 0.3 and double it above."""

    def __init__(self) -> None:
        self.descents: list[tuple[int, int, float]] = []

    @property
    def laboratory(self) -> Laboratory:
        return Laboratory(self.descend, self.spread, self.slopes)

    def descend(self, first: int, steps: int, changes: Mapping[str, float]) -> WhatIf:
        self.descents.append((first, steps, changes["lr"]))
        losses = 8.0 * (0.5 if changes["lr"] < 0.3 else 2.0) ** np.arange(steps)
        return WhatIf(first, Descent({}, losses), Descent({}, losses), {}, {}, "")

    def spread(self, disturbance: Disturbance, _seconds: float) -> tuple[int, ...]:
        return (disturbance.step,)

    def slopes(self, step: int, _seconds: float) -> tuple[Slope, ...]:
        msg = f"Step {step} cannot be executed."
        raise ReplayError(msg)


def test_a_smaller_rate_is_tried_until_the_loss_falls() -> None:
    bench = _Bench()
    said = Experiments(bench.laboratory).smaller_rates(4, 5, 2.0, 0.05)
    assert said == (
        "Shown by executing steps 4 to 8 again: with lr 1 the loss grows from 8 to 128, "
        "with lr 0.2 the loss falls from 8 to 0.5."
    )
    assert [(steps, rate) for _, steps, rate in bench.descents] == [
        (1, 1.0),
        (5, 1.0),
        (1, 0.2),
        (5, 0.2),
    ]


def test_a_first_step_that_waits_for_imports_says_nothing_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, clock = _Bench(), iter([0.0, 0.0, 3.0, 3.0])  # then it stands still
    monkeypatch.setattr("time.perf_counter", lambda: next(clock, 3.0))
    said = Experiments(bench.laboratory).smaller_rates(4, 5, 2.0, 0.05)
    assert "with lr 0.2 the loss falls" in said
    assert [steps for _, steps, _ in bench.descents] == [1, 1, 5, 1, 5]


def test_the_proposed_rate_is_tried_where_the_loss_grows_with_the_others() -> None:
    said = Experiments(_Bench().laboratory).smaller_rates(0, 3, 8.0, 0.1)
    assert said.endswith(
        "with lr 0.8 the loss grows from 8 to 32, with lr 0.1 the loss falls from 8 to 2."
    )


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_without_an_answer_there_is_none(seconds: float) -> None:
    nothing = Experiments(None, seconds)
    assert nothing.spread(_SAMPLE) is None
    assert nothing.slopes(1) == ()
    assert nothing.smaller_rates(0, 5, 1.0, 0.1) == ""
    assert Experiments(_Bench().laboratory).slopes(1) == ()  # it cannot be executed


def test_what_is_tried_is_told_and_time_ends_it() -> None:
    told: list[str] = []
    experiments = Experiments(_Bench().laboratory, 1e-9, told.append)
    assert experiments.spread(_SAMPLE) == (3,)
    assert experiments.spread(_SAMPLE) is None
    assert told == ["overwriting a sample in step 3", ""]


def test_steps_are_opened_while_there_is_time_for_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 4.0, 4.0, 8.0))
    monkeypatch.setattr("autograd_lens.doctor.experiments.time.perf_counter", lambda: next(clock))
    asked: list[int] = []
    experiments = Experiments(_Bench().laboratory, 10.0)
    for step in (3, 5, 7):
        assert experiments.opened(step, asked.append) is None
    assert asked == [3, 5]  # 2 of 10 seconds were left for the third, which would take 4


def test_findings_carry_what_was_shown(diagnose: Diagnose, tmp_path: Path) -> None:
    (rate,) = diagnose(PROGRAMS / "learning_rate_too_high" / "bad.py")
    assert "with lr 0.15 the loss falls" in rate.message
    mixed = Twins.read(REPORTS / "attention_over_the_batch.py").write_bug(tmp_path)
    (meeting,) = diagnose(mixed)
    assert "what comes of it changed in 15 rows, not in the first alone" in meeting.message
