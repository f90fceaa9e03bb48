"""How parameters went over a run, and where their gradients broke."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.columns import TraceLike
from autograd_lens.errors import LensError
from autograd_lens.render.stepper.descent import thinned
from autograd_lens.render.stepper.panes import Course
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Value

__all__ = ["DRAWN", "SteppedRun", "courses", "is_small"]

Floats = npt.NDArray[np.float64]
Broken = npt.NDArray[np.bool_]

DRAWN = 8192
"""Steps that pictures are drawn from, at most."""

_MOST = 5_000_000  # elements of a history that is read whole
_SAMPLED = 256  # steps that are looked at where it is not


class SteppedRun(TraceLike, Protocol):
    """The part of a trace that is read."""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps."""


def is_small(trace: TraceLike, names: Iterable[str]) -> bool:
    """Whether the histories of some parameters together are read in little time."""
    elements = sum(math.prod(trace.parameters[name].shape) for name in names)
    return elements * len(trace.losses) <= _MOST


def courses(trace: SteppedRun) -> tuple[Mapping[str, Course], Broken]:
    """How each parameter went, and the steps with a gradient that is not finite: (steps,).

    Histories of more than some millions of elements are not read whole: their course is drawn
    from some hundred steps, and of what broke between two of those the first step is found.
    """
    broken = np.zeros(len(trace.losses), np.bool_)
    found: dict[str, Course] = {}
    large = [name for name in trace.parameters if not is_small(trace, [name])]
    for name in trace.parameters:
        if name not in large and (values := _values(trace, name)) is not None:
            found[name] = Course(thinned(_sizes(values), DRAWN))
            broken |= _broken(trace, name)
    if large:
        sampled, bad = _sampled(trace, large)
        found |= sampled
        broken[bad] = True
    return {name: found[name] for name in trace.parameters if name in found}, broken


def _values(trace: TraceLike, name: str) -> Floats | None:
    try:
        return trace.parameter(name).values[:-1]
    except LensError:
        return None


def _broken(trace: TraceLike, name: str) -> Broken:
    """Where a gradient was there and not finite."""
    history = trace.parameter(name)
    finite = np.isfinite(history.grads.reshape(len(trace.losses), -1)).all(1)
    if finite.all():
        return np.zeros(len(finite), np.bool_)
    broken: Broken = ~finite & history.held["grad"]
    return broken


def _sampled(trace: SteppedRun, names: list[str]) -> tuple[dict[str, Course], list[int]]:
    count = len(trace.steps)
    numbers = np.unique(np.linspace(0, count - 1, min(count, _SAMPLED)).round()).astype(int)
    norms: dict[str, list[float]] = {name: [] for name in names}
    bad: list[int] = []
    before = -1
    for number in numbers.tolist():
        step = trace.steps[number]
        for name in names:
            norms[name].append(_norm(step, name))
        if _has_broken(step, names):
            if not bad:
                bad.append(_first(lambda at: _has_broken(trace.steps[at], names), before, number))
            bad.append(number)
        before = number
    return {name: Course(np.array(each)) for name, each in norms.items()}, bad


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Where something began that holds at ``high`` and not at ``low``: it is taken to last."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _norm(step: Step, name: str) -> float:
    known = step.parameters.get(name)
    return _size(known.before) if known is not None and known.before is not None else math.nan


def _has_broken(step: Step, names: list[str]) -> bool:
    grads = [step.parameters[name].grad for name in names if name in step.parameters]
    return any(grad is not None and not math.isfinite(_size(grad)) for grad in grads)


def _size(value: Value) -> float:
    try:
        return value.norm
    except (TypeError, ValueError):  # a type that NumPy lacks
        return 0.0


def _sizes(values: Floats) -> Floats:
    """Numbers, or norms of what is more than one number, one for each step."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    return flat[:, 0] if flat.shape[1] == 1 else np.linalg.norm(flat, axis=1)
