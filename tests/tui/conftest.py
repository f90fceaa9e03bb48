"""Runs to walk through: records in memory, and recordings written without torch."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograd_lens.trace.info import RunInfo, RunStatus
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter, Source
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.writer import TraceWriter
from tests.support.linear_step import LinearTrace, linear_steps

SOURCE = "import torch\n\nfor t in range(steps):\n    loss.backward()\n    optimizer.step()\n"
BACKWARD = LightGraph(
    source=Source("train.py", 4, 4, 4, 19, "<module>"),
    fingerprint="c0ffee",
    roots=(("float32", ()),),
    reached=(0, 1),
    loss=0,
)


@dataclass
class Walked(LinearTrace):
    """Steps of the linear regression in memory, as the debugger reads them."""

    refreshed: list[int] = field(default_factory=list)

    def parameter(self, name: str) -> SimpleNamespace:
        found = super().parameter(name)
        records = [step.parameters[name] for step in self.steps]
        there = np.ones(len(records), bool)
        found.held = {
            "value": np.append(there, True),
            "grad": there,
            "grad_before": np.array([each.grad_before is not None for each in records]),
        }
        found.modes = np.array([each.mode or "" for each in records])
        return found

    def extra(self, key: str) -> None:
        """Nothing is kept beside the steps."""

    def refresh(self) -> None:
        self.refreshed.append(len(self.steps))


@pytest.fixture
def run() -> Walked:
    """Thirteen steps of 23 events each, so that 300 events are not all of them."""
    return Walked(steps=linear_steps(14, full=range(14)))


@pytest.fixture
def light_run() -> Walked:
    return Walked(steps=linear_steps(5, full=()))


def f32(number: float) -> bytes:
    return struct.pack("<f", number)


@dataclass
class Recorder:
    """Writes light steps as a recording does."""

    writer: TraceWriter
    written: int = 0

    def steps(self, losses: Sequence[float]) -> None:
        zero = f32(0)
        for loss in losses:
            step, slope = self.written, math.exp(-self.written / 9)
            before = [zero, zero] if step else [None, None]
            values, grads = [f32(3 - slope), f32(10 - slope)], [f32(-slope), f32(-2 * slope)]
            self.writer.rows.append((step, 0, f32(loss), values, before, grads))
            self.written += 1

    def close(self, status: RunStatus = "finished") -> None:
        self.writer.rows.append((self.written, -1, None, [f32(3), f32(10)], [f32(0)] * 2, []))
        self.writer.close(status)
        assert self.writer.failed is None


def begun(path: Path) -> Recorder:
    """A recording of two numbers that has begun."""
    writer = TraceWriter.create(path, RunInfo(program="train.py"))
    writer.parameter(0, Parameter("w1", (1, 1), "float32", "cpu"))
    writer.parameter(1, Parameter("b1", (1,), "float32", "cpu"))
    writer.source("train.py", SOURCE)
    writer.graph(BACKWARD)
    return Recorder(writer)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return begun(tmp_path / "run.lens")


@pytest.fixture
def interrupted(recorder: Recorder) -> Trace:
    """Six steps; the loss becomes NaN in the fourth, the program is interrupted in the last."""
    recorder.steps([9.0, 8.0, 7.0, float("nan"), 5.0, 4.0])
    recorder.writer.event(Event("interrupt", 5, "KeyboardInterrupt", "Traceback ..."))
    recorder.close("interrupted")
    return Trace(recorder.writer.path)
