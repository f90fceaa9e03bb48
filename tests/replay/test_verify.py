"""Verification passes what is right, and names what is not: each sort of difference once."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xxhash

import autograd_lens as lens
from autograd_lens.replay.differences import check_gradients
from autograd_lens.replay.donors import Donors
from autograd_lens.replay.stretch import proved_at_once
from autograd_lens.replay.verify import _Ledger, _same, verify
from autograd_lens.trace.outcomes import CheckResult, Verification
from autograd_lens.trace.reader import EncodedStep, Trace
from autograd_lens.trace.values import Summary

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import programs

STEPS = 60

Alter = Callable[[EncodedStep], Sequence[Any]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("verify") / "line.lens", programs.line)


def record(path: Path, program: Callable[[], programs.Turns], full: str = "0:3,20") -> Path:
    torch.manual_seed(3)
    with lens.record(path, full=full):
        loop = program()
        for _ in range(STEPS):
            next(loop)
    return path


def test_nothing_of_a_long_step_is_left_out(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_lens.live import mode

    monkeypatch.setattr(mode, "_SWEEP", 4)  # events; a step has more
    monkeypatch.setattr(mode, "LONG", 2)
    with lens.open(recording) as trace:
        assert trace.steps[10].provenance == "proved"


def altered(trace: Trace, alter: Alter) -> Trace:
    """The trace as it would be with other slots in its full steps."""
    encoded = trace.encoded

    def other(step: int) -> EncodedStep | None:
        found = encoded(step)
        return None if found is None else replace(found, slots=list(alter(found)))

    trace.encoded = other  # type: ignore[method-assign]
    return trace


def check(result: Verification, name: str) -> CheckResult:
    return next(one for one in result.checks if one.name == name)


@pytest.fixture
def trace(recording: Path) -> Iterator[Trace]:
    with Trace(recording) as opened:
        yield opened


def test_a_recording_is_proved(trace: Trace) -> None:
    result = verify(trace, range(STEPS), finite_differences=True)
    assert not result.differs
    assert result.complete
    counts = {one.name: one.steps for one in result.checks}
    assert counts == {
        "loss": STEPS,
        "gradients": STEPS,
        "updates": STEPS,
        "stored values": 4,
        "finite differences": 12,
    }


def test_a_reason_is_told_once_for_all_its_steps_and_names_keep_their_letters() -> None:
    ledger = _Ledger("updates", "of steps")
    for step in (3, 5):
        ledger.skip(step, f"step {step} was lost.")
        ledger.skip(step, f"fc.weight of step {step} was lost.")
    skipped = ledger.result().skipped
    assert [(one.reason, one.steps) for one in skipped] == [
        ("The step was lost.", (3, 5)),
        ("fc.weight of the step was lost.", (3, 5)),
    ]


@pytest.mark.parametrize(
    ("recorded", "live", "same"),
    [
        (math.nan, math.nan, True),
        (math.nan, 1.0, False),
        (1.0, math.nan, False),
        (1.0, 1.0, True),
        (b"ab", b"ab", True),
        (b"ab", b"aB", False),
        (Summary(xxhash.xxh3_128_hexdigest(b"ab"), 1.0), b"ab", True),
        (b"ab", Summary("0" * 32, 1.0), False),
        (b"ab", 1.0, False),
    ],
)
def test_what_is_the_same_to_the_bit(recorded: Any, live: Any, same: bool) -> None:
    assert _same(recorded, live) is same


def test_progress_ends_with_all_steps(trace: Trace) -> None:
    done: list[int] = []
    verify(trace, range(STEPS), progress=done.append)
    assert done == sorted(done)
    assert done[-1] == STEPS


def test_a_flipped_bit_in_a_stored_value_is_found(trace: Trace) -> None:
    def flip(step: EncodedStep) -> Sequence[Any]:
        # The result of the backward's last kernel is read by nothing else.
        out = step.template.kernels[-1].makes[0].slot
        flipped = bytearray(step.slots[out])
        flipped[1] ^= 1
        return [*step.slots[:out], bytes(flipped), *step.slots[out + 1 :]]

    result = verify(altered(trace, flip), [20])
    assert [one.step for one in check(result, "stored values").mismatches] == [20]
    assert check(result, "stored values").mismatches[0].name.startswith("kernel ")


@pytest.mark.parametrize(
    ("digest", "equal"),
    [(lambda found: found, True), (lambda _: "0" * 32, False), (lambda _: "f" * 32, False)],
    ids=["the same", "a smaller one", "a larger one"],
)
def test_a_value_of_which_a_digest_was_kept_is_compared_by_it(
    trace: Trace, digest: Callable[[str], str], equal: bool
) -> None:
    def summed_up(step: EncodedStep) -> Sequence[Any]:
        out = step.template.kernels[-1].makes[0].slot
        summary = Summary(digest(xxhash.xxh3_128_hexdigest(step.slots[out])), 0.0)
        return [*step.slots[:out], summary, *step.slots[out + 1 :]]

    result = verify(altered(trace, summed_up), [20])
    assert check(result, "stored values").steps == 1
    assert bool(check(result, "stored values").mismatches) != equal
    assert 0 < result.seconds < 600


def test_an_edited_constant_of_the_update_is_found(trace: Trace) -> None:
    def edit(step: EncodedStep) -> Sequence[Any]:
        return [0.2 if slot == 0.1 else slot for slot in step.slots]

    result = verify(altered(trace, edit), [20])
    assert {one.name for one in check(result, "updates").mismatches} == {"w", "b"}
    assert check(result, "stored values").mismatches
    assert not check(result, "gradients").mismatches


def shifted(step: EncodedStep) -> Sequence[Any]:
    wrong = (np.frombuffer(step.slots[0], np.float32) + np.float32(0.5)).tobytes()
    return [wrong if slot == step.slots[0] else slot for slot in step.slots]


def test_another_batch_is_found(trace: Trace) -> None:
    result = verify(altered(trace, shifted), [2, 20])
    assert result.differs
    assert {one.name for one in check(result, "gradients").mismatches} >= {"w.grad"}
    assert check(result, "loss").mismatches[0].by


def test_a_light_step_that_anothers_tape_does_not_give_is_not_known(trace: Trace) -> None:
    result = verify(altered(trace, shifted), range(30, 60))
    assert not result.differs
    assert check(result, "loss").steps == 0
    (skipped,) = check(result, "loss").skipped
    assert skipped.steps == tuple(range(30, 60))
    assert "does not give its loss" in skipped.reason


def light_alone(trace: Trace) -> Trace:
    """The trace as it is where no step was recorded lean."""
    encoded, lean = trace.encoded, frozenset(trace.lean_steps)
    trace.lean_steps = ()
    trace.encoded = lambda step: None if step in lean else encoded(step)  # type: ignore[method-assign]
    return trace


def test_a_missing_batch_is_said_not_guessed(tmp_path: Path) -> None:
    with Trace(record(tmp_path / "unseen.lens", programs.unseen_batches)) as trace:
        assert verify(trace, range(18, 24)).complete  # by their own lean tapes
        result = verify(light_alone(trace), range(18, 24))
    assert not result.differs
    assert not result.complete
    steps = [step for skipped in check(result, "loss").skipped for step in skipped.steps]
    assert sorted(steps) == [18, 19, 21, 22, 23]
    reasons = {skipped.reason for skipped in check(result, "loss").skipped}
    assert all(reason.startswith("The inputs of the step were not kept") for reason in reasons)


def test_updates_with_unknown_numbers_are_not_checked(tmp_path: Path) -> None:
    with Trace(record(tmp_path / "decayed.lens", programs.decayed_by_hand)) as trace:
        assert verify(trace, range(18, 24)).complete
        result = verify(light_alone(trace), range(18, 24))
    assert not result.differs
    assert check(result, "updates").steps == 1
    assert check(result, "gradients").steps == 6
    assert "were not kept" in check(result, "updates").skipped[0].reason


def test_a_wrong_gradient_formula_is_found_by_finite_differences(trace: Trace) -> None:
    step = trace.steps[20]
    assert check_gradients(step) == []
    last = step.backwards[-1]
    incoming = [write.incoming for write in last.grad_writes]
    wrong = tuple(
        replace(write, incoming=replace(value, data=(value.array * np.float32(2)).tobytes()))
        for write, value in zip(last.grad_writes, incoming, strict=True)
        if value is not None
    )
    found = check_gradients(replace(step, backwards=(replace(last, grad_writes=wrong),)))
    assert {one.name for one in found} == {"w.grad", "b.grad"}


def test_plain_stretches_and_single_steps_agree(trace: Trace, tmp_path: Path) -> None:
    proved = proved_at_once(trace, Donors(trace), range(STEPS))
    assert proved == frozenset(range(STEPS)) - {0, 1, 2, 20}
    with Trace(record(tmp_path / "carried.lens", programs.convolution)) as carried:
        assert proved_at_once(carried, Donors(carried), range(STEPS)) == frozenset()


@pytest.mark.parametrize("program", [programs.gradient_penalty, programs.epochs])
def test_full_steps_hold_what_their_tapes_give(
    tmp_path: Path, program: Callable[[], programs.Turns]
) -> None:
    with Trace(record(tmp_path / "run.lens", program)) as trace:
        result = verify(trace, range(6), finite_differences=True)
    assert not result.differs
    assert check(result, "stored values").steps == 3
