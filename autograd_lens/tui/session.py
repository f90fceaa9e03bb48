"""Where we are in a run, and how to move; it knows nothing of screens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.conditions import condition_on
from autograd_lens.analysis.cursor import States
from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.render.stepper.descent import Marks
from autograd_lens.trace.cache import Recent
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Phase, Step
from autograd_lens.trace.selection import Place
from autograd_lens.tui.overview import Overview

if TYPE_CHECKING:
    from autograd_lens.doctor.finding import Finding

__all__ = ["Break", "Opened", "Session"]

_KEPT = 64  # steps, so that going back does not read them again
_FORGETFUL = 256  # replayed steps


@dataclass(frozen=True)
class Opened:
    """A step that is being looked at.

    Attributes:
        step: The step.
        events: What happened in it.
    """

    step: Step
    events: tuple[StepEvent, ...]

    @cached_property
    def states(self) -> States:
        """Its parameters around each event."""
        return States(self.step, self.events)


@dataclass(frozen=True, slots=True, eq=False)
class Break:
    """A condition, and where it holds.

    Attributes:
        text: The condition.
        steps: Steps where it holds, rising.
    """

    text: str
    steps: npt.NDArray[np.intp]


class Session:
    """A walk through a run.

    Args:
        trace: The run.

    Attributes:
        trace: The run.
        step: Number of the current step.
        event: Position of the current event in it.
        search: What was searched for last, or None.
        breaks: The breakpoints.
        overview: The run as a whole.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.step = 0
        self.event = 0
        self.search: Break | None = None
        self.breaks: tuple[Break, ...] = ()
        self.overview = Overview.first(trace)
        self._found: int | None = None
        self._found_at: tuple[int, int] | None = None
        self._kept: Recent[int, Opened] = Recent(_KEPT)
        self._replayed: Recent[int, Step] = Recent(_FORGETFUL)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.trace.steps)

    @property
    def opened(self) -> Opened | None:
        """The current step; None where the run has no step yet."""
        return self.open(self.step) if self.steps else None

    @property
    def current(self) -> StepEvent | None:
        """The current event; None where the step has none."""
        opened = self.opened
        return opened.events[self.event] if opened and opened.events else None

    def open(self, number: int) -> Opened:
        """A step, without going there."""
        return self._kept.made(number, self._put_together)

    def _put_together(self, number: int) -> Opened:
        step = self._replayed.get(number) or self.trace.steps[number]
        return Opened(step, step_events(step, self.trace.events))

    def advance(self) -> bool:
        """To the next event, if need be in the next step; False at the very end."""
        opened = self.opened
        if opened and self.event + 1 < len(opened.events):
            self.event += 1
            return True
        if self.step + 1 >= self.steps:
            return False
        self.step, self.event = self.step + 1, 0
        return True

    def retreat(self) -> bool:
        """To the event before, if need be in the step before; False at the very start."""
        if self.event > 0:
            self.event -= 1
            return True
        if self.step == 0 or not self.steps:
            return False
        self.step -= 1
        self.event = max(len(self.open(self.step).events) - 1, 0)
        return True

    def within(self, by: int) -> bool:
        """Some events on or back, but not out of the step; False where that moves nothing."""
        opened = self.opened
        last = len(opened.events) - 1 if opened else 0
        return self.to_event(min(max(self.event + by, 0), max(last, 0)))

    def to_event(self, event: int) -> bool:
        """To an event of this step; False where that is the current one."""
        moved, self.event = event != self.event, event
        return moved

    def to_step(self, number: int) -> bool:
        """To a step, the nearest there is, at the same event if it has that; False if there."""
        number = min(max(number, 0), max(self.steps - 1, 0))
        if number == self.step or not self.steps:
            return False
        before, self.step = self.current, number
        self.event = self._same_place(before)
        return True

    def _same_place(self, event: StepEvent | None) -> int:
        """The event like one of another step, so that one node can be watched over steps."""
        opened = self.opened
        if event is None or opened is None:
            return 0
        key = (event.kind, event.phase, event.item, event.backward)
        for place, other in enumerate(opened.events):
            if (other.kind, other.phase, other.item, other.backward) == key:
                return place
        return 0

    def to_phase(self, phase: Phase) -> bool:
        """To the first event of a phase of this step; False where it has none."""
        opened = self.opened
        for place, event in enumerate(opened.events if opened else ()):
            if event.phase == phase:
                self.event = place
                return True
        return False

    def to_kernel(self, index: int) -> bool:
        """To the event that ran a kernel of this step; False where none did."""
        opened = self.opened
        for place, event in enumerate(opened.events if opened else ()):
            if index in event.kernels or (event.kind == "kernel" and event.item == index):
                self.event = place
                return True
        return False

    def go(self, place: Place) -> None:
        """To a place, as near as the step allows: a light step has no kernels."""
        self.to_step(place.step)
        if place.phase is not None:
            self.to_phase(place.phase)
        if place.kernel is not None:
            self.to_kernel(place.kernel)

    def find(self, condition: str) -> Break:
        """Understand a condition and find where it holds.

        Raises:
            ConditionError: It cannot be understood.
        """
        holds = condition_on(self.trace, condition).holds(self.trace)
        return Break(condition, np.flatnonzero(holds))

    def to_match(self, matches: npt.NDArray[np.intp], by: int) -> bool:
        """To the next (1) or previous (-1) of some steps; False where there is none."""
        if by > 0:
            ahead = matches[np.searchsorted(matches, self.step, side="right") :]
        else:
            ahead = matches[: np.searchsorted(matches, self.step)][::-1]
        return self.to_step(int(ahead[0])) if len(ahead) else False

    @property
    def break_steps(self) -> npt.NDArray[np.intp]:
        """Steps where any breakpoint holds, rising."""
        if not self.breaks:
            return np.zeros(0, np.intp)
        return np.unique(np.concatenate([each.steps for each in self.breaks]))

    def to_finding(self) -> bool:
        """To the doctor's next finding, after the last one to the first; False without any."""
        findings = self.overview.findings
        if not findings:
            return False
        last = -1 if self._found is None else self._found
        self._found = (last + 1) % len(findings)
        found = findings[self._found]
        if found.step is not None:
            self.to_step(found.step)
        if found.kernel is not None:
            self.to_kernel(found.kernel)
        self._found_at = (self.step, self.event)
        return True

    @property
    def finding(self) -> Finding | None:
        """The finding that we went to, as long as we are where it led."""
        findings = self.overview.findings
        here = self._found_at == (self.step, self.event)
        if not here or self._found is None or self._found >= len(findings):
            return None
        return findings[self._found]

    def replayed(self, step: Step) -> None:
        """Show a step that was opened in full from now on."""
        before = self.current
        self._replayed.put(step.index, step)
        self._kept.forget(step.index)
        if step.index == self.step:
            self.event = self._same_place(before)

    def refresh(self) -> bool:
        """Notice new steps of a run that goes on; stay at the end where we were there.

        Returns:
            Whether anything changed.
        """
        count, status = self.steps, self.trace.info.status
        at_end = self.step >= count - 1
        self.trace.refresh()
        if (self.steps, self.trace.info.status) == (count, status):
            return False
        self._kept.clear()
        if not len(self.overview.courses):
            self.overview = Overview.first(self.trace)
        self.breaks = tuple(self.find(each.text) for each in self.breaks)
        self.search = self.find(self.search.text) if self.search else None
        if at_end:
            self.to_step(self.steps - 1)
        opened = self.opened
        self.event = min(self.event, max(len(opened.events) - 1, 0)) if opened else 0
        return True

    def marks(self) -> Marks:
        """Steps worth a mark on the timeline."""
        matches = self.search.steps if self.search else ()
        told = [each.step for each in self.overview.findings if each.step is not None]
        return Marks(self.trace.full_steps, matches, self.break_steps, self.overview.bad, told)
