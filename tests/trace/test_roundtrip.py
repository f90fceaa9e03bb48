"""What a recording writes is what a reader finds, byte for byte."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lens.errors import NoSuchParameterError, NoSuchStepError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter, ParameterUpdate, Source, ZeroGrad
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.values import Summary
from autograd_lens.trace.writer import RunInfo, TraceWriter

W1 = Parameter("w1", (1, 1), "float32", "cpu", aliases=("model.w1",))
B1 = Parameter("b1", (1,), "float32", "cpu", aliases=("model.b1",))
SOURCE = ["train.py", 3, 3, 4, 19, "<module>"]
BACKWARD = LightGraph(
    source=Source(*SOURCE),
    fingerprint="c0ffee",
    roots=(("float32", ()),),
    reached=(0, 1),
    loss=0,
)


def f32(number: float) -> bytes:
    return struct.pack("<f", number)


def write(path: Path, rows: Sequence[Sequence[Any]], **graph: Any) -> Trace:
    """A finished trace of two parameters with one graph, opened."""
    writer = TraceWriter.create(path, RunInfo(program="train.py"))
    for index, parameter in enumerate((W1, B1)):
        writer.parameter(index, parameter)
    writer.graph(replace(BACKWARD, **graph))
    writer.rows.extend(tuple(row) for row in rows)
    writer.close("finished")
    assert writer.failed is None
    return Trace(path)


def descent(steps: int) -> list[tuple[Any, ...]]:
    """Rows of a loop that steps, then zeroes; w1 rises by 1 a step, grads are 10 + step."""
    rows: list[tuple[Any, ...]] = [
        (
            step,
            0,
            f32(100 - step),
            [f32(step), f32(0.5)],
            [f32(0), f32(0)] if step else [None, None],
            [f32(10 + step), f32(20)],
        )
        for step in range(steps)
    ]
    rows.append((steps, -1, None, [f32(steps), f32(0.5)], [f32(0), f32(0)], []))
    return rows


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return write(tmp_path / "run.lens", descent(5))


def test_a_light_step_tells_what_happened_to_each_parameter(trace: Trace) -> None:
    w1 = trace.steps[2].parameters["w1"]
    assert w1.before is not None
    assert w1.before.array == [[2.0]]
    assert w1.grad_before is not None
    assert w1.grad_before.array == [[0.0]]
    assert w1.grad is not None
    assert w1.grad.array == [[12.0]]
    assert w1.after is not None
    assert w1.after.array == [[3.0]]
    assert (w1.mode, w1.zeroed) == ("accumulate", True)


def test_the_first_grad_is_set_because_there_was_none(trace: Trace) -> None:
    step = trace.steps[0]
    assert step.parameters["w1"].mode == "set"
    assert [write.mode for write in step.backwards[0].grad_writes] == ["set", "set"]


def test_only_parameters_that_changed_were_updated(trace: Trace) -> None:
    (update,) = trace.steps[1].updates
    w1 = trace.steps[1].parameters["w1"]
    assert update == ParameterUpdate("w1", before=w1.before, after=w1.after, grad=w1.grad)


def test_clearing_is_what_changed_a_grad_into_zeros(trace: Trace) -> None:
    step = trace.steps[1]
    w1, b1 = (step.parameters[name] for name in ("w1", "b1"))
    following = trace.steps[2].parameters
    assert step.zero_grads == (
        ZeroGrad("w1", before=w1.grad, after=following["w1"].grad_before),
        ZeroGrad("b1", before=b1.grad, after=following["b1"].grad_before),
    )


def test_the_backward_knows_its_line_and_its_root(trace: Trace) -> None:
    (backward,) = trace.steps[3].backwards
    assert backward.source == Source("train.py", 3, 3, 4, 19, "<module>")
    assert [root.item() for root in backward.roots if root] == [97.0]
    assert backward.fingerprint == "c0ffee"


def test_losses_and_histories_are_arrays_over_all_steps(trace: Trace) -> None:
    assert trace.losses.tolist() == [100, 99, 98, 97, 96]
    w1 = trace.parameter("w1")
    assert w1.values.shape == (6, 1, 1)
    assert w1.values.dtype == np.float32
    assert w1.values.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert w1.grads.ravel().tolist() == [10, 11, 12, 13, 14]
    assert w1.grads_before.ravel()[1:].tolist() == [0, 0, 0, 0]
    assert math.isnan(w1.grads_before[0, 0, 0]), "there was no grad before the first backward"


def test_parameters_answer_to_their_other_names(trace: Trace) -> None:
    assert trace.parameter("model.w1").parameter == W1


def test_a_misspelt_parameter_is_met_with_a_guess(trace: Trace) -> None:
    with pytest.raises(NoSuchParameterError, match=r"no parameter 'w2'.*Did you mean"):
        trace.parameter("w2")


@pytest.mark.parametrize("index", [5, -6])
def test_a_step_out_of_range_is_met_with_the_range(trace: Trace, index: int) -> None:
    with pytest.raises(NoSuchStepError, match=rf"no step {index}. It has steps 0 to 4."):
        trace.steps[index]


def test_steps_are_a_sequence(trace: Trace) -> None:
    assert len(trace.steps) == 5
    assert [step.index for step in trace.steps] == [0, 1, 2, 3, 4]
    assert [step.index for step in trace.steps[-2:]] == [3, 4]
    assert trace.steps[-1].index == 4


def test_without_a_last_state_the_last_step_is_open(tmp_path: Path) -> None:
    trace = write(tmp_path / "run.lens", descent(3)[:-1])
    w1 = trace.steps[-1].parameters["w1"]
    assert (w1.after, w1.zeroed) == (None, None)
    assert np.isnan(trace.parameter("w1").values[-1]).all()


def test_two_backwards_in_a_step_accumulate(tmp_path: Path) -> None:
    rows = [
        (0, 0, f32(9), [f32(1), f32(1)], [None, None], [f32(1), f32(2)]),
        (0, 0, f32(8), [f32(1), f32(1)], [f32(1), f32(2)], [f32(3), f32(4)]),
        (1, -1, None, [f32(1), f32(1)], [f32(3), f32(4)], []),
    ]
    step = write(tmp_path / "run.lens", rows).steps[0]
    assert [run.grad_writes[0].mode for run in step.backwards] == ["set", "accumulate"]
    assert step.loss == 8.0
    assert step.parameters["w1"].grad_before is None
    assert step.parameters["w1"].zeroed is False
    assert step.updates == ()


def test_an_update_between_two_backwards_is_seen(tmp_path: Path) -> None:
    rows = [
        (0, 0, f32(9), [f32(1), f32(1)], [None, None], [f32(1), f32(2)]),
        (0, 0, f32(8), [f32(0.5), f32(1)], [None, f32(2)], [f32(3), f32(4)]),
    ]
    step = write(tmp_path / "run.lens", rows).steps[0]
    assert [update.parameter for update in step.updates] == ["w1"]
    assert [zero.parameter for zero in step.zero_grads] == ["w1"]


def test_a_grad_that_was_zero_already_cannot_tell_whether_it_was_cleared(tmp_path: Path) -> None:
    rows = [
        (0, 0, f32(1), [f32(1), f32(1)], [f32(0), None], [f32(0), f32(-0.0)]),
        (1, 0, f32(1), [f32(1), f32(1)], [f32(0), None], [f32(0), f32(1)]),
    ]
    parameters = write(tmp_path / "run.lens", rows).steps[0].parameters
    assert parameters["w1"].zeroed is None
    assert parameters["b1"].zeroed is True, "it is gone, so somebody set it to None"


def test_a_step_without_backward_has_neither_loss_nor_runs(tmp_path: Path) -> None:
    rows = descent(4)
    del rows[2]
    trace = write(tmp_path / "run.lens", rows)
    assert len(trace.steps) == 4
    step = trace.steps[2]
    assert (step.loss, step.backwards, step.updates) == (None, (), ())
    assert step.parameters["w1"].mode is None
    assert math.isnan(trace.losses[2])
    assert np.isnan(trace.parameter("w1").grads[2]).all()
    assert trace.parameter("w1").grads[3] == 13


def test_torch_autograd_grad_writes_no_grads(tmp_path: Path) -> None:
    rows = [(0, 0, f32(1), [f32(1), f32(1)], [None, None], [None, None])]
    step = write(tmp_path / "run.lens", rows, kind="grad").steps[0]
    assert step.backwards[0].kind == "grad"
    assert step.backwards[0].grad_writes == ()
    assert step.parameters["w1"].mode is None


def test_a_failed_backward_wrote_only_what_changed(tmp_path: Path) -> None:
    rows = [(0, 0, f32(1), [f32(1), f32(1)], [f32(1), f32(1)], [f32(2), f32(1)])]
    step = write(tmp_path / "run.lens", rows, error="RuntimeError: no").steps[0]
    assert [write.parameter for write in step.backwards[0].grad_writes] == ["w1"]
    assert step.backwards[0].error == "RuntimeError: no"


def test_a_parameter_that_appears_later_has_no_past(tmp_path: Path) -> None:
    rows = [
        (0, 0, f32(1), [f32(1)], [None], [f32(2)]),
        (1, 0, f32(1), [f32(1), f32(7)], [None, None], [f32(2), f32(3)]),
    ]
    trace = write(tmp_path / "run.lens", rows)
    assert trace.steps[0].parameters["b1"].before is None
    assert np.isnan(trace.parameter("b1").values[[0, 2]]).all()
    assert trace.parameter("b1").values[1] == 7


def test_summaries_come_back_and_count_as_missing_in_arrays(tmp_path: Path) -> None:
    summary = Summary("ab" * 16, math.inf, -1.0, None, 0.5, 0, 3, (1.0, 2.0))
    rows = [(0, 0, None, [summary, f32(1)], [None, None], [f32(2), f32(3)])]
    trace = write(tmp_path / "run.lens", rows)
    before = trace.steps[0].parameters["w1"].before
    assert before is not None
    assert (before.data, before.summary) == (None, summary)
    assert np.isnan(trace.parameter("w1").values[0]).all()


def test_extras_come_back(tmp_path: Path) -> None:
    extras = {"rng": b"r" * 5056, "inputs": [["x", b"i" * 9000], {"n": 3, "blob": None}]}
    rows = [(*descent(1)[0], extras), descent(2)[1], (*descent(3)[2], {})]
    trace = write(tmp_path / "run.lens", rows)
    assert trace.rows.extras(0) == extras
    assert trace.rows.extras(1) == {}


def test_large_values_are_stored_once(tmp_path: Path) -> None:
    random = np.random.default_rng(0).bytes(100_000)
    rows = [(step, 0, None, [random + b"", f32(step)], [], []) for step in range(50)]
    path = tmp_path / "run.lens"
    trace = write(path, rows)
    assert trace.rows.row(49).values[0] == random
    assert path.stat().st_size < 200_000


def test_two_scalars_cost_at_most_forty_bytes_a_step(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(5000, 5)).astype("<f4")
    rows = [
        (
            step,
            0,
            noise[step, 0].tobytes(),
            [noise[step, 1].tobytes(), noise[step, 2].tobytes()],
            [f32(0), f32(0)],
            [noise[step, 3].tobytes(), noise[step, 4].tobytes()],
        )
        for step in range(5000)
    ]
    path = tmp_path / "run.lens"
    write(path, rows)
    assert path.stat().st_size / 5000 <= 40


def test_what_is_known_of_the_run(tmp_path: Path) -> None:
    info = RunInfo(
        program="train.py",
        argv=("--lr", "0.1"),
        cwd="/home/me",
        torch="2.13",
        python="3.11.7",
        started=1.5,
        threads=2,
        seed=2**63,
        lens="1.0",
        options={"full": "all"},
    )
    writer = TraceWriter.create(tmp_path / "run.lens", info)
    writer.event(Event("warning", None, "first"))
    writer.event(Event("exception", 3, "ValueError: no", "Traceback ..."))
    writer.source("train.py", "a = 1\n\nloss = (\n    f(a)\n)\n")
    writer.source("train.py", "edited since\n")
    writer.extra("surface", b"\x00\x01")
    writer.close("exception")
    with Trace(tmp_path / "run.lens") as trace:
        assert trace.info.status == "exception"
        assert trace.info.ended is not None
        assert (trace.info.argv, trace.info.seed) == (("--lr", "0.1"), 2**63)
        assert trace.info.options == {"full": "all"}
        assert [event.message for event in trace.events] == ["first", "ValueError: no"]
        assert trace.line(Source("train.py", 3, 5, 0, 1, "<module>")) == "loss = ( f(a) )"
        assert trace.line(None) == ""
        assert trace.extra("surface") == b"\x00\x01"
        assert trace.source("other.py") is None
        assert len(trace.steps) == 0
        assert trace.losses.shape == (0,)


def test_names_that_are_no_text_are_no_obstacle(tmp_path: Path) -> None:
    undecodable = "caf\udce9.py"  # as Python spells file names of an unknown encoding
    writer = TraceWriter.create(tmp_path / "run.lens", RunInfo(program=undecodable))
    writer.source(undecodable, "x = '\udce9'\n")
    writer.close("finished")
    assert writer.failed is None
    with Trace(tmp_path / "run.lens") as trace:
        assert trace.info.program == undecodable
        assert trace.source(undecodable) == "x = '?'\n"
