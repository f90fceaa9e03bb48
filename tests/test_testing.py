"""Assertions about training code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.errors import NotRecordedError
from autograd_lens.testing import LensRun
from autograd_lens.trace.records import Event
from tests.support.small_training import train

Record = Callable[..., LensRun]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Begins a recording, as the fixture ``lens_run`` does, and closes what was opened."""
    made: list[LensRun] = []

    def begin(**options: str) -> LensRun:
        path = tmp_path / f"{len(made)}.lens"
        made.append(LensRun(lens.record(path, **options).__enter__()))
        return made[-1]

    yield begin
    for run in made:
        run.trace.close()


def test_a_healthy_training_passes_all(record: Record) -> None:
    run = record()
    train()
    lens.assert_no_findings(run)
    lens.assert_gradients_reach(run, ["encoder.*", "head.weight"])
    lens.assert_updates(run, only="*")
    assert run.losses[-1] < run.losses[0]
    assert len(run.trace.steps) == 6


def test_a_recording_ends_when_it_is_looked_at(record: Record) -> None:
    run = record()
    train(steps=2)
    assert len(run.trace.steps) == 2
    train(steps=3)
    run.end()
    assert len(run.trace.steps) == 2
    assert run.trace.info.status == "finished"


def test_findings_are_shown_with_line_and_file(record: Record) -> None:
    run = record()
    train(cut_off=True)
    with pytest.raises(AssertionError) as failure:
        lens.assert_no_findings(run)
    said = str(failure.value)
    assert said.startswith("1 finding.")
    assert "AL209 partly-detached" in said
    assert "features = features.detach()" in said
    assert said.endswith(f"The recording: {run.path}")

    lens.assert_no_findings(run, ignore=["AL2"])
    lens.assert_no_findings(run, select=["stale-gradient"])


def test_a_gradient_that_does_not_arrive_is_named_with_its_cause(record: Record) -> None:
    run = record()
    train(cut_off=True)
    with pytest.raises(AssertionError, match=r"reached encoder.weight and encoder.bias in 6 steps"):
        lens.assert_gradients_reach(run, ["encoder.*"])
    with pytest.raises(AssertionError, match="AL209"):
        lens.assert_gradients_reach(run, ["head.*", "encoder.bias"])
    lens.assert_gradients_reach(run, ["head.*"])


def test_a_gradient_of_zeros_does_not_count(record: Record) -> None:
    run = record()
    train(factor=0.0)
    with pytest.raises(AssertionError, match=r"The gradient of head.bias was zero in each of 6"):
        lens.assert_gradients_reach(run, "head.bias")


def test_what_moves_is_compared_with_what_should(record: Record) -> None:
    run = record()
    train(frozen=True)
    lens.assert_updates(run, only=["head.*"])
    with pytest.raises(AssertionError, match=r"head.weight changed, first in step 0, and should"):
        lens.assert_updates(run, only="head.bias")
    with pytest.raises(AssertionError, match=r"encoder.weight did not change in 6 steps"):
        lens.assert_updates(run, only=["head.*", "encoder.weight"])


@pytest.mark.parametrize("check", [lens.assert_gradients_reach, lens.assert_updates])
def test_a_pattern_that_names_nothing_is_an_error(
    record: Record, check: Callable[..., None]
) -> None:
    run = record()
    train(steps=1)
    name = "parameters" if check is lens.assert_gradients_reach else "only"
    with pytest.raises(AssertionError, match=r"no parameter 'decoder.*'; it has encoder.weight"):
        check(run, **{name: ["decoder.*"]})


def test_nothing_is_said_of_an_incomplete_recording(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record()
    train(steps=1)
    lost = (Event("incomplete", 0, "the disk is full"),)
    monkeypatch.setattr(Trace, "events", lost)
    with pytest.raises(NotRecordedError, match="the disk is full"):
        lens.assert_updates(run, only="*")


def test_recordings_are_compared_as_they_are(tmp_path: Path) -> None:
    runs = []
    for name, factor in (("a", 1.0), ("b", 1.0), ("c", 1.5)):
        with lens.record(tmp_path / f"{name}.lens", full="none") as run:
            train(steps=2, factor=factor)
        runs.append(run)
    lens.assert_same(runs[0], runs[1])
    assert not lens.diff(runs[0].trace, runs[2]).equal
