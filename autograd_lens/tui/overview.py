"""What the debugger shows of the run as a whole: courses, the path, where it went wrong."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.bowl import fit_bowl
from autograd_lens.analysis.columns import TraceLike
from autograd_lens.errors import LensError
from autograd_lens.render.stepper.descent import Descent
from autograd_lens.render.stepper.parameters_pane import Course
from autograd_lens.render.stepper.timeline import thinned
from autograd_lens.trace.records import Event

__all__ = ["Overview", "RunLike"]

Floats = npt.NDArray[np.float64]

_MOST = 5_000_000  # elements of a history that is read while a reader waits
_DRAWN = 8192  # steps that pictures are drawn from
_GOOD_FIT = 0.999  # share of the gradients that a bowl must explain to be drawn
_KINDS = frozenset({"exception", "interrupt"})


class RunLike(TraceLike, Protocol):
    """The part of a trace that is read."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened to the run as a whole."""


class Overview:
    """The run as a whole; nothing but the losses is read before ``survey``.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: RunLike) -> None:
        self._trace = trace
        self._courses: dict[str, Course | None] = {}
        self._descent: Descent | None = None
        self.bad: npt.NDArray[np.intp] = np.zeros(0, np.intp)
        """Steps with a loss or a gradient that is no finite number, or with an error."""

    def course(self, name: str) -> Course | None:
        """How a parameter went; None before the survey, and where its history is too large."""
        return self._courses.get(name)

    def _find_course(self, name: str) -> Course | None:
        values = self._history(name)
        return None if values is None else Course(thinned(_sizes(values), _DRAWN))

    def survey(self) -> None:
        """Read the histories; the first picture does not wait for it."""
        if self._descent is not None or not len(self._trace.losses):
            return
        self._descent = self._find_descent()
        self._courses = {name: self._find_course(name) for name in self._trace.parameters}
        self.bad = np.flatnonzero(self._wrong())

    @property
    def descent(self) -> Descent:
        """The loss over the steps, and the path where the run has two numbers."""
        return self._descent or Descent(thinned(self._trace.losses, _DRAWN))

    def _wrong(self) -> npt.NDArray[np.bool_]:
        wrong = np.isinf(self._trace.losses) | self._lost()
        for name in self._trace.parameters:
            wrong |= self._broken(name)
        for event in self._trace.events:
            if event.kind in _KINDS and event.step is not None and event.step < len(wrong):
                wrong[event.step] = True
        return wrong

    def _find_descent(self) -> Descent:
        losses = self._trace.losses
        names = tuple(self._trace.parameters)
        numbers = [math.prod(each.shape) for each in self._trace.parameters.values()]
        if numbers != [1, 1] or not len(losses):
            return Descent(thinned(losses, _DRAWN))
        histories = [self._trace.parameter(name) for name in names]
        path = np.stack([_flat(each.values[:-1]) for each in histories], 1)
        grads = np.stack([_flat(each.grads) for each in histories], 1)
        bowl = fit_bowl(path, grads, losses)
        good = bowl is not None and bowl.fit > _GOOD_FIT
        drawn = thinned(path, _DRAWN)
        return Descent(
            thinned(losses, _DRAWN), names, drawn, bowl.height if bowl and good else None
        )

    def _history(self, name: str) -> Floats | None:
        if not self._readable(name):
            return None
        try:
            return self._trace.parameter(name).values[:-1]
        except LensError:
            return None

    def _readable(self, name: str) -> bool:
        shape = self._trace.parameters[name].shape
        return math.prod(shape) * len(self._trace.losses) <= _MOST

    def _broken(self, name: str) -> npt.NDArray[np.bool_]:
        """Where a gradient was there and not finite."""
        if not self._readable(name):
            return np.zeros(len(self._trace.losses), np.bool_)
        history = self._trace.parameter(name)
        flat = history.grads.reshape(len(self._trace.losses), -1)
        broken: npt.NDArray[np.bool_] = ~np.isfinite(flat).all(1) & history.held["grad"]
        return broken

    def _lost(self) -> npt.NDArray[np.bool_]:
        """A NaN loss where the step did run backward: others have none at all."""
        lost = np.isnan(self._trace.losses)
        if not lost.any() or not self._trace.parameters:
            return lost
        wrote = np.zeros(len(lost), np.bool_)
        for name in self._trace.parameters:
            wrote |= self._trace.parameter(name).modes != ""
        return lost & wrote


def _flat(values: Floats) -> Floats:
    return np.asarray(values, np.float64).reshape(-1)


def _sizes(values: Floats) -> Floats:
    """Numbers, or norms of what is more than one number, one for each step."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    return flat[:, 0] if flat.shape[1] == 1 else np.linalg.norm(flat, axis=1)
