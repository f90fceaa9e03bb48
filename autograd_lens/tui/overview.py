"""What the debugger shows of the run as a whole: courses, the path, where it went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.columns import TraceLike
from autograd_lens.render.stepper.descent import Descent
from autograd_lens.render.stepper.parameters_pane import Course
from autograd_lens.render.stepper.timeline import thinned
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Step
from autograd_lens.tui.courses import DRAWN, courses
from autograd_lens.tui.landscape import find_descent

if TYPE_CHECKING:
    from autograd_lens.doctor.finding import Finding

__all__ = ["Overview", "RunLike", "examined", "surveyed"]

_KINDS = frozenset({"exception", "interrupt"})


class RunLike(TraceLike, Protocol):
    """The part of a trace that is read."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened to the run as a whole."""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps."""


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
    def first(cls, trace: RunLike) -> Overview:
        """What the first picture needs: nothing but the losses is read."""
        return cls(Descent(thinned(trace.losses, DRAWN)))


def surveyed(trace: RunLike) -> Overview:
    """The run as a whole, its histories read; that takes the longer the longer the run is."""
    if not len(trace.losses):
        return Overview.first(trace)
    found, broken = courses(trace)
    wrong = np.isinf(trace.losses) | _lost(trace) | broken
    for event in trace.events:
        if event.kind in _KINDS and event.step is not None and event.step < len(wrong):
            wrong[event.step] = True
    return Overview(find_descent(trace), found, np.flatnonzero(wrong))


def examined(trace: RunLike) -> tuple[Finding, ...]:
    """What the doctor says of a recording; nothing of a run that is in memory alone."""
    from autograd_lens.doctor import examine  # noqa: PLC0415  not before the first picture

    return examine(trace) if isinstance(trace, Trace) else ()


def _lost(trace: RunLike) -> npt.NDArray[np.bool_]:
    """A NaN loss where the step did run backward: others have none at all."""
    lost = np.isnan(trace.losses)
    if not lost.any() or not trace.parameters:
        return lost
    wrote = np.zeros(len(lost), np.bool_)
    for name in trace.parameters:
        wrote |= trace.parameter(name).modes != ""
    return lost & wrote
