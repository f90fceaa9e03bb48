"""Light steps opened in full are what a full recording of the same run holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

import autograd_lens as lens
from autograd_lens.errors import ReplayError
from autograd_lens.replay import replayer
from autograd_lens.replay.check import Difference
from autograd_lens.replay.donors import Donors
from autograd_lens.replay.plan import Plan
from autograd_lens.replay.replayer import Replayer
from autograd_lens.trace.reader import EncodedStep, Trace
from autograd_lens.trace.records import Step

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import programs

STEPS = 8

PROVED = [
    programs.line,
    programs.convolution,
    programs.attention,
    programs.recurrent,
    programs.drawn_batches,
    programs.two_players,
    programs.accumulation,
    programs.gradient_penalty,
    programs.writes_into_views,
    programs.no_grad_target,
    programs.mixed_precision,
    programs.clipped,
    programs.epochs,
    programs.validated,
    programs.shuffled_by_hand,
    programs.from_workers,
    programs.scheduled,
    programs.grouped,
]


def record(path: Path, program: Callable[[], programs.Turns], full: str) -> Trace:
    torch.manual_seed(3)
    with lens.record(path, full=full, force=True):
        loop = program()
        for _ in range(STEPS):
            next(loop)
    return Trace(path)


def light_alone(trace: Trace) -> Trace:
    """The trace as it is where no step was recorded lean."""
    encoded, lean = trace.encoded, frozenset(trace.lean_steps)
    trace.lean_steps = ()
    trace.encoded = lambda step: None if step in lean else encoded(step)  # type: ignore[method-assign]
    return trace


def named(function: Callable[[], programs.Turns]) -> str:
    return function.__name__


@pytest.mark.parametrize("program", PROVED, ids=named)
def test_every_step_is_proved(tmp_path: Path, program: Callable[[], programs.Turns]) -> None:
    with record(tmp_path / "run.lens", program, "0:3") as trace:
        replayer = Replayer(trace)
        replayed = [replayer.step(step) for step in range(len(trace.steps))]
    assert [one.step.provenance for one in replayed] == ["proved"] * STEPS
    assert not any(one.differences for one in replayed)


@pytest.mark.parametrize("program", PROVED, ids=named)
def test_updates_are_made_again(tmp_path: Path, program: Callable[[], programs.Turns]) -> None:
    with record(tmp_path / "run.lens", program, "0:3") as trace:
        replayer = Replayer(trace)
        assert [replayer.step(step).updates for step in range(STEPS)] == [()] * STEPS


def values(step: Step) -> list[object]:
    """All that a full step holds in numbers, and what its structure is."""
    found: list[object] = [step.loss, step.updates, step.parameters]
    found += [(k.op, k.phase, k.node) for k in step.kernels]
    found += [use for k in step.kernels if "empty" not in k.op for use in k.outputs]
    for backward in step.backwards:
        found += [backward.grad_writes, backward.node_runs, backward.roots]
        assert backward.graph is not None
        found += [node.saved for node in backward.graph.nodes]
    return found


def test_a_replayed_step_equals_the_recorded_one(tmp_path: Path) -> None:
    with record(tmp_path / "full.lens", programs.line, "all") as full:
        recorded = full.steps[6]
    with record(tmp_path / "light.lens", programs.line, "0:3") as light:
        replayed = Replayer(light).step(6).step
    assert replayed.level == "full"
    assert values(replayed) == values(recorded)
    sources = [kernel.source.line for kernel in recorded.kernels if kernel.source]
    assert sources == [kernel.source.line for kernel in replayed.kernels if kernel.source]


def test_memory_that_nothing_has_filled_is_not_shown_as_proved(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.recurrent, "0:3") as trace:
        step = Replayer(trace).step(6).step
    assert step.provenance == "proved"
    unset = [use for k in step.kernels if k.op.startswith("aten.empty") for use in k.outputs]
    assert [use.value for use in unset] == [None] * len(unset)
    assert unset


def test_draws_of_another_device_are_said_to_be_not_kept(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.recurrent, "0:3") as trace:
        plan = next(iter(Donors(trace).of(0))).plan
    assert not replayer._draws_on(plan)
    specs = tuple((dtype, shape, "cuda:0") for dtype, shape, _ in plan.template.specs)
    elsewhere = Plan.of(structs.replace(plan.template, specs=specs))
    assert "draws random numbers on cuda:0" in replayer._not_on_the_tape(elsewhere)


def test_running_statistics_are_carried_from_step_to_step(tmp_path: Path) -> None:
    with record(tmp_path / "full.lens", programs.convolution, "all") as full:
        recorded = full.steps[6]
    with record(tmp_path / "light.lens", programs.convolution, "0:3") as light:
        replayed = Replayer(light).step(6).step
    (there,) = [k for k in recorded.kernels if "native_batch_norm.d" in k.op]
    (here,) = [k for k in replayed.kernels if "native_batch_norm.d" in k.op]
    running = [argument.value for argument in there.inputs if "running" in argument.name]
    assert [argument.value for argument in here.inputs if "running" in argument.name] == running


def test_a_smaller_last_batch_has_its_own_shapes(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.epochs, "0:2") as trace:
        step = Replayer(trace).step(5).step
    (first,) = [k for k in step.kernels if k.op == "aten.addmm.default" and k.module.endswith("0")]
    assert first.outputs[0].spec.shape == (3, 6)
    assert first.outputs[0].value is not None
    assert first.outputs[0].value.shape == (3, 6)
    run = next(run for run in step.backwards[0].node_runs if run.grad_inputs[0] is not None)
    assert run.grad_inputs[0] is not None
    assert run.grad_inputs[0].shape[0] in (3, ())


def test_what_no_light_row_can_hold_is_proved_by_the_steps_own_tape(tmp_path: Path) -> None:
    for program in (programs.unseen_batches, programs.truncated, programs.decayed_by_hand):
        path = tmp_path / f"{program.__name__}.lens"
        with record(path, program, "0:3") as trace:
            assert trace.lean_steps
            replayer = Replayer(trace)
            replayed = [replayer.step(step) for step in range(STEPS)]
        assert {one.step.provenance for one in replayed} == {"proved"}
        assert [one.updates for one in replayed] == [()] * STEPS
        assert [one.donor for one in replayed] == list(range(STEPS))


def test_a_custom_function_is_built_again_from_its_kernels(tmp_path: Path) -> None:
    with record(tmp_path / "full.lens", programs.custom_function, "all") as full:
        recorded = full.steps[6]
    with record(tmp_path / "light.lens", programs.custom_function, "0:3") as light:
        replayed = Replayer(light).step(6).step
    assert replayed.provenance == "proved"
    assert values(replayed) == values(recorded)


def test_a_batch_that_was_not_kept_is_named(tmp_path: Path) -> None:
    with (
        record(tmp_path / "run.lens", programs.unseen_batches, "0:3") as trace,
        pytest.raises(
            ReplayError, match=r"inputs of step 5 were not kept: .*float32, shape \(3,\)"
        ),
    ):
        Replayer(light_alone(trace)).step(5)


def test_a_window_that_no_full_step_has_is_not_known(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.truncated, "0:3") as trace:
        replayer = Replayer(light_alone(trace))
        assert replayer.step(5).step.provenance == "proved"  # the window of step 1
        with pytest.raises(ReplayError, match="a number that the forward computes with"):
            replayer.step(7)


def test_an_update_with_unknown_numbers_is_left_out_and_said(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.decayed_by_hand, "0:3") as trace:
        step = Replayer(light_alone(trace)).step(5).step
    assert not [kernel for kernel in step.kernels if kernel.phase == "update"]
    assert [update.parameter for update in step.updates] == ["weight", "bias"]
    assert "numbers of this step that were not kept" in " ".join(step.omitted)


def test_a_structure_without_a_full_step_is_refused(tmp_path: Path) -> None:
    with (
        record(tmp_path / "run.lens", programs.line, "none") as trace,
        pytest.raises(ReplayError, match="was recorded in full"),
    ):
        Replayer(trace).step(5)


def altered(trace: Trace) -> Trace:
    """The trace as it would be with another batch in its full steps."""
    encoded = trace.encoded

    def other(step: int) -> EncodedStep | None:
        found = encoded(step)
        if found is None:
            return None
        x = np.frombuffer(found.slots[0], np.float32).copy()
        x[3] += 1e-3
        same = [x.tobytes() if slot == found.slots[0] else slot for slot in found.slots]
        return replace(found, slots=same)

    trace.encoded = other  # type: ignore[method-assign]
    return trace


def test_a_wrong_value_makes_a_full_step_differ(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.line, "0:3") as trace:
        replayed = Replayer(altered(trace)).step(2)
    assert replayed.step.provenance == "differs"
    assert {one.name for one in replayed.differences} >= {"loss", "w.grad"}
    assert "differs from the recording: loss by" in " ".join(replayed.step.omitted)


def test_a_light_step_never_differs(tmp_path: Path) -> None:
    with (
        record(tmp_path / "run.lens", programs.line, "0:3") as trace,
        pytest.raises(ReplayError, match=r"was not recorded in full.*rerun FILE --full 5"),
    ):
        Replayer(altered(trace)).step(5)


def test_the_programs_random_numbers_and_threads_are_left_alone(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.drawn_batches, "0:3") as trace:
        before, threads = torch.get_rng_state(), torch.get_num_threads()
        Replayer(trace).step(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_a_trace_opens_its_light_steps_by_itself(tmp_path: Path) -> None:
    record(tmp_path / "run.lens", programs.line, "0:3").close()
    with lens.open(tmp_path / "run.lens") as trace:
        assert (trace.steps[2].level, trace.steps[2].provenance) == ("full", "recorded")
        assert (trace.steps[6].level, trace.steps[6].provenance) == ("full", "proved")
        assert trace.light(6).level == "light"


def test_where_replay_is_impossible_the_light_step_says_why(tmp_path: Path) -> None:
    record(tmp_path / "run.lens", programs.line, "none").close()
    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[6]
    assert step.level == "light"
    assert "was recorded in full" in step.omitted[-1]


def test_a_wrong_update_is_not_handed_on(tmp_path: Path) -> None:
    """Running statistics are carried; a parameter that came out wrong must not be."""
    with record(tmp_path / "run.lens", programs.convolution, "0:3") as trace:
        replayer = Replayer(light_alone(trace))
        attempt = replayer.best(3, observe=False)
        wrong = Difference("model.0.weight", 1.0, None)
        attempt.check.updates.append(wrong)
        replayer._carried = replayer._before
        replayer._hand_on(3, attempt)
        carried = replayer._carried
    assert carried is not None
    names = {key[0] for key in carried.tensors}
    assert "model.0.weight" not in names
    assert "model.0.bias" in names
    assert any(name.endswith("running_mean") for name in names)


def test_a_grad_before_backward_that_is_another_is_noticed(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", programs.accumulation, "0:3") as trace:
        donors = Donors(trace)
        light = donors.light(2)
        row = light.rows[1]
        other = np.frombuffer(row.grads_before[0], np.float32) + np.float32(1)
        rows = [*light.rows]
        rows[1] = replace(row, grads_before=(other.tobytes(), *row.grads_before[1:]))
        donors._light = 2, replace(light, rows=rows)
        replayer = Replayer(trace)
        replayer.donors = donors
        found = replayer.best(2, observe=False).check.outputs
    assert [one.name for one in found] == ["weight.grad before"]
