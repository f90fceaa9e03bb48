"""A recorded linear regression in memory, as long as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.records import Event, Parameter, Step
from tests.support.linear_program import FILE, SOURCE
from tests.support.linear_records import linear_step

Change = Callable[[Step], Step]


@dataclass
class History:
    """One parameter over the run."""

    values: Any
    grads: Any
    held: Any
    modes: Any


@dataclass
class LessonRun:
    """What a lesson reads of a trace."""

    steps: list[Step]
    info: RunInfo = field(default_factory=lambda: RunInfo(program=FILE, status="finished"))
    text: str | None = SOURCE
    events: tuple[Event, ...] = ()
    kept: dict[str, bytes] = field(default_factory=dict)
    rows: Any = field(default_factory=lambda: SimpleNamespace(extra_column=lambda _: []))

    @property
    def parameters(self) -> dict[str, Parameter]:
        names = self.steps[0].parameters
        return {
            name: Parameter(name, each.before.shape, each.before.dtype, "cpu")
            for name, each in names.items()
        }

    @property
    def full_steps(self) -> tuple[int, ...]:
        return tuple(step.index for step in self.steps if step.level == "full")

    @property
    def losses(self) -> Any:
        return np.array([np.nan if step.loss is None else step.loss for step in self.steps])

    def parameter(self, name: str) -> History:
        own = [step.parameters[name] for step in self.steps]
        values = [each.before.array for each in own] + [own[-1].after.array]
        held = {
            "value": np.ones(len(values), bool),
            "grad": np.array([each.grad is not None for each in own]),
        }
        modes = np.full(len(own), "set")
        return History(np.array(values), np.array([each.grad.array for each in own]), held, modes)

    def light(self, step: int) -> Step:
        return self.steps[step]

    def extra(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def source(self, file: str) -> str | None:
        return self.text if file == FILE else None


def regression_run(count: int = 4, light: Iterable[int] = (), **given: Any) -> LessonRun:
    """A run of some steps, each starting where the one before ended.

    Args:
        count: How many steps.
        light: Which of them were recorded in brief.
        given: What else the run is.
    """
    steps: list[Step] = []
    start: dict[str, Any] = {}
    for index in range(count):
        steps.append(linear_step(index, **start))
        after = {name: each.after.array for name, each in steps[-1].parameters.items()}
        start = {**after, "grad_before": 0.0}
    brief = set(light)
    return LessonRun([_light(s) if s.index in brief else s for s in steps], **given)


def _light(step: Step) -> Step:
    backward = replace(step.backwards[0], graph=None, node_runs=())
    return replace(step, level="light", backwards=(backward,), updates=(), kernels=())


def renamed(step: Step, parameter: str, count: int) -> Step:
    """The step with ``count`` more parameters, all like ``parameter``."""
    more = {
        f"layer{at}.weight": replace(step.parameters[parameter], name=f"layer{at}.weight")
        for at in range(count)
    }
    return replace(step, parameters={**step.parameters, **more})
