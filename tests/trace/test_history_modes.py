"""A parameter's history says how each grad was written, and which numbers were there at all."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Parameter, Source
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.writer import TraceWriter

BACKWARD = LightGraph(
    source=Source("train.py", 3, 3, 4, 19, "<module>"),
    fingerprint="c0ffee",
    roots=(("float32", ()),),
    reached=(0,),
    loss=0,
)
ELSEWHERE = replace(BACKWARD, reached=())
FAILED = replace(BACKWARD, error="RuntimeError: no")


def f32(number: float) -> bytes:
    return struct.pack("<f", number)


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """Four steps: set, accumulated, not reached, failed; a parameter w1 that rises by 1."""
    writer = TraceWriter.create(tmp_path / "run.lens", RunInfo(program="train.py"))
    writer.parameter(0, Parameter("w1", (1,), "float32", "cpu"))
    for graph in (BACKWARD, ELSEWHERE, FAILED):
        writer.graph(graph)
    grads = [(None, f32(1)), (f32(1), f32(float("nan"))), (None, None), (None, None)]
    for step, (graph, (before, after)) in enumerate(zip((0, 0, 1, 2), grads, strict=True)):
        writer.rows.append((step, graph, f32(9), [f32(step)], [before], [after]))
    writer.rows.append((4, -1, None, [f32(4)], [None], []))
    writer.close("finished")
    return Trace(tmp_path / "run.lens")


def test_each_step_tells_how_its_grad_was_written_as_its_record_does(trace: Trace) -> None:
    modes = trace.parameter("w1").modes.tolist()
    assert modes == ["set", "accumulate", "", ""]
    assert modes == [step.parameters["w1"].mode or "" for step in trace.steps]


def test_a_recorded_nan_is_told_apart_from_a_grad_that_was_none(trace: Trace) -> None:
    history = trace.parameter("w1")
    assert history.held["grad"].tolist() == [True, True, False, False]
    assert history.held["grad_before"].tolist() == [False, True, False, False]
    assert history.held["value"].tolist() == [True] * 5
