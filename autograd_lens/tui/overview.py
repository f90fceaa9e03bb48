"""What the debugger shows of the run as a whole: courses, the path, where it went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.plane import Plane, find_plane, stored_surface
from autograd_lens.analysis.quadratic import fit_bowl
from autograd_lens.errors import LensError
from autograd_lens.render.stepper.descent import Descent, thinned
from autograd_lens.render.stepper.panes import Course
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Floats, Value

if TYPE_CHECKING:
    from autograd_lens.doctor.finding import Finding

__all__ = ["Overview", "courses", "examined", "find_descent", "surveyed"]

Broken = npt.NDArray[np.bool_]

_DRAWN = 8192  # steps that pictures are drawn from, at most
_MOST = 5_000_000  # elements of a history that is read whole
_SAMPLED = 256  # steps that are looked at where it is not
_GOOD_FIT = 0.999  # share of the gradients that a bowl must explain to be drawn
_ENDED = frozenset({"exception", "interrupt"})


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """The run as a whole.

    Attributes:
        descent: The loss over the steps, and the path where it can be drawn on a plane.
        courses: How each parameter went.
        bad: Steps with a loss or a gradient that is no finite number, or with an error.
        findings: What the doctor says of the run.
    """

    descent: Descent
    courses: Mapping[str, Course] = field(default_factory=dict)
    bad: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    findings: tuple[Finding, ...] = ()

    @classmethod
    def first(cls, trace: Trace) -> Overview:
        """What the first picture needs: nothing but the losses is read."""
        return cls(Descent(thinned(trace.losses, _DRAWN)))


def surveyed(trace: Trace) -> Overview:
    """The run as a whole, its histories read; that takes the longer the longer the run is."""
    if not len(trace.losses):
        return Overview.first(trace)
    found, broken = courses(trace)
    wrong = np.isinf(trace.losses) | _lost(trace) | broken
    for event in trace.events:
        if event.kind in _ENDED and event.step is not None and event.step < len(wrong):
            wrong[event.step] = True
    return Overview(find_descent(trace), found, np.flatnonzero(wrong))


def examined(trace: Trace) -> tuple[Finding, ...]:
    """What the doctor says of a recording; nothing of a run that is in memory alone."""
    from autograd_lens.doctor import examine  # noqa: PLC0415  not before the first picture

    return examine(trace) if trace.path.is_file() else ()


def _lost(trace: Trace) -> npt.NDArray[np.bool_]:
    """A NaN loss where the step did run backward: others have none at all."""
    lost = np.isnan(trace.losses)
    if not lost.any() or not trace.parameters:
        return lost
    wrote = np.zeros(len(lost), np.bool_)
    for name in trace.parameters:
        wrote |= trace.parameter(name).modes != ""
    return lost & wrote


def courses(trace: Trace) -> tuple[Mapping[str, Course], Broken]:
    """How each parameter went, and the steps with a gradient that is not finite: (steps,).

    Histories of more than some millions of elements are not read whole: their course is drawn
    from some hundred steps, and of what broke between two of those the first step is found.
    """
    broken = np.zeros(len(trace.losses), np.bool_)
    found: dict[str, Course] = {}
    large = [name for name in trace.parameters if not _is_small(trace, [name])]
    for name in trace.parameters:
        if name not in large and (values := _values(trace, name)) is not None:
            found[name] = Course(thinned(_sizes(values), _DRAWN))
            broken |= _broken(trace, name)
    if large:
        sampled, bad = _sampled(trace, large)
        found |= sampled
        broken[bad] = True
    return {name: found[name] for name in trace.parameters if name in found}, broken


def _values(trace: Trace, name: str) -> Floats | None:
    try:
        return trace.parameter(name).values[:-1]
    except LensError:
        return None


def _broken(trace: Trace, name: str) -> Broken:
    """Where a gradient was there and not finite."""
    history = trace.parameter(name)
    finite = np.isfinite(history.grads.reshape(len(trace.losses), -1)).all(1)
    if finite.all():
        return np.zeros(len(history.grads), np.bool_)
    broken: Broken = ~finite & history.held["grad"]
    return broken


def _sampled(trace: Trace, names: list[str]) -> tuple[dict[str, Course], list[int]]:
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


def _is_small(trace: Trace, names: Iterable[str]) -> bool:
    """Whether the histories of some parameters together are read in little time."""
    elements = sum(math.prod(trace.parameters[name].shape) for name in names)
    return elements * len(trace.losses) <= _MOST


def find_descent(trace: Trace) -> Descent:
    """The loss over the steps, and the path on the run's plane where its histories are small.

    The loss around the path is the surface that the recording holds; without one, of two
    numbers, a bowl through the gradients where they are those of a bowl.
    """
    losses = thinned(trace.losses, _DRAWN)
    try:
        plane = find_plane(trace) if _is_small(trace, trace.parameters) else None
    except LensError:
        plane = None
    if plane is None or plane.kind == "line" or not np.isfinite(plane.path).all(1).any():
        return Descent(losses)
    surface = stored_surface(trace, plane)
    height: Callable[[Floats], Floats] | None = None
    if surface is not None and min(surface.loss.shape) > 1:
        height = surface.at
    elif plane.kind == "parameters":
        height = _bowl(trace, plane)
    return Descent(losses, plane.labels, thinned(plane.path[:-1], _DRAWN), height)


def _bowl(trace: Trace, plane: Plane) -> Callable[[Floats], Floats] | None:
    grads = [trace.parameter(name).grads.astype(np.float64) for name in plane.names]
    flat = np.concatenate([each.reshape(len(each), -1) for each in grads], 1)
    bowl = fit_bowl(plane.path[:-1], flat, trace.losses)
    return bowl.height if bowl is not None and bowl.fit > _GOOD_FIT else None
