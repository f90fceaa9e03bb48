"""Steps of the linear regression as records, built by hand with NumPy.

``linear_steps(3)`` are the first three steps of ``y = 3x + 10 + noise`` fitted by gradient
descent at learning rate 0.01, starting from w1 = 1.541, b1 = -0.2934. The kernels, nodes and
their order are those of torch 2.13 on CPU; the numbers are float32 as NumPy computes them,
so the last bit may differ from torch's. No torch is needed.

Axis letters: n batch (100), i input (1), o output (1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.records import (
    Event,
    Parameter,
    Source,
    Step,
)
from autograd_lens.trace.window import Window
from tests.support.linear_graph import ACCUMULATE_B1, ACCUMULATE_W1, ADD, DIV, MEAN, MM, POW, SUB
from tests.support.linear_program import FILE, SOURCE, source
from tests.support.linear_records import LEARNING_RATE, linear_step
from tests.support.tape import Tape, value, written

__all__ = [
    "ACCUMULATE_B1",
    "ACCUMULATE_W1",
    "ADD",
    "DIV",
    "FILE",
    "LEARNING_RATE",
    "MEAN",
    "MM",
    "POW",
    "SOURCE",
    "SUB",
    "LinearTrace",
    "Tape",
    "light",
    "linear_step",
    "linear_steps",
    "source",
    "value",
    "written",
]


def light(step: Step) -> Step:
    """The same step as a light recording holds it."""
    backwards = tuple(
        replace(
            backward,
            graph=None,
            node_runs=(),
            grad_writes=tuple(replace(write, incoming=None) for write in backward.grad_writes),
        )
        for backward in step.backwards
    )
    updates = tuple(replace(u, expression="", kernels=(), source=None) for u in step.updates)
    zeroed = tuple(replace(zero, source=None) for zero in step.zero_grads)
    return replace(
        step, level="light", backwards=backwards, updates=updates, zero_grads=zeroed, kernels=()
    )


def linear_steps(count: int = 3, full: Sequence[int] = (0, 1, 2)) -> tuple[Step, ...]:
    """The first ``count`` steps; those in ``full`` in full detail, the others light."""
    steps: list[Step] = []
    for index in range(count):
        if not steps:
            step = linear_step()
        else:
            w1, b1 = (steps[-1].parameters[name].after.array for name in ("w1", "b1"))
            step = linear_step(index, w1, b1, grad_before=0.0)
        steps.append(step if index in full else light(step))
    return tuple(steps)


@dataclass
class LinearTrace:
    """Stands in for an open trace file: the same attributes, all in memory."""

    steps: tuple[Step, ...] = field(default_factory=linear_steps)
    path: Path = Path("linear.lens")
    events: tuple[Event, ...] = ()
    keyframes: tuple[int, ...] = ()
    window: Window | None = None
    info: RunInfo = field(
        default_factory=lambda: RunInfo(
            program=FILE,
            argv=(),
            cwd="/home/ada/first-steps",
            torch="2.13.0",
            python="3.11.2",
            started=1772359200.0,
            ended=1772359202.1,
            status="finished",
            threads=1,
            seed=0,
        )
    )

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {
            "w1": Parameter("w1", (1, 1), "float32", "cpu", ("model.w1",)),
            "b1": Parameter("b1", (1,), "float32", "cpu", ("model.b1",)),
        }

    @property
    def full_steps(self) -> tuple[int, ...]:
        return tuple(step.index for step in self.steps if step.level == "full")

    @property
    def losses(self) -> np.ndarray:
        return np.array([step.loss for step in self.steps], np.float64)

    def parameter(self, name: str) -> SimpleNamespace:
        records = [step.parameters[name] for step in self.steps]
        values = [records[0].before, *(record.after for record in records)]
        return SimpleNamespace(
            parameter=self.parameters[name],
            values=np.stack([item.array for item in values]),
            grads=np.stack([record.grad.array for record in records]),
        )

    def source(self, file: str) -> str | None:
        return SOURCE if file == FILE else None

    def line(self, at: Source | None) -> str:
        if at is None or at.file != FILE:
            return ""
        lines = SOURCE.splitlines()[at.line - 1 : at.end_line]
        return " ".join(line.strip() for line in lines)

    def close(self) -> None:
        """Nothing is held open."""
