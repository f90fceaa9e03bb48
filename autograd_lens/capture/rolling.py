"""Keeping the last steps of a run openable, however long it goes on.

NOTE 1 [Anchors]: a step is executed again from the nearest one before it that has all it found
whole. So in a run of which the last steps are kept, some are recorded in full at even distances,
keyframe included: the *anchors*. What is older than the newest anchor before the last N steps may
go. Of each structure the newest full step stays, as newer ones are executed by its tape, as long
as there are few.

NOTE 2 [Where it is too much]: where the file is crowded before the last N steps are in it, those
between the oldest two anchors go as well, one stretch after the other, each when the one before
has left the file.
"""

from __future__ import annotations

from autograd_lens.capture.full_recorder import FullRecorder
from autograd_lens.capture.optimizer_numbers import OptimizerNumbers
from autograd_lens.capture.schedule import Schedule
from autograd_lens.capture.sink import Sink
from autograd_lens.trace.window import Forgotten, Window

__all__ = ["Rolling", "between_anchors"]

_PARTS = 4  # stretches between anchors in what is kept
_LEAST, _MOST = 8, 64  # steps between two anchors
_DONORS = 8  # full steps that stay for their structure alone ...
_FEW = 2  # ... and where the file is crowded


def between_anchors(last: int) -> int:
    """Steps from one anchor to the next where so many are kept."""
    return min(_MOST, max(_LEAST, last // _PARTS))


class Rolling:
    """Says what may go.

    Args:
        sink: The recording.
        last: How many steps are to be kept.
        schedule: The steps that are recorded in full.
        full: What records them.
        numbers: What tells the numbers of optimizers.
    """

    def __init__(
        self,
        sink: Sink,
        last: int,
        schedule: Schedule,
        full: FullRecorder,
        numbers: OptimizerNumbers,
    ) -> None:
        self._sink = sink
        self._last = last
        self._schedule = schedule
        self._full = full
        self._numbers = numbers
        self._every = max(1, between_anchors(last) // _PARTS)
        self._looks = 0
        self._first = 0

    def backward_ended(self, step: int) -> None:
        """The row of a step was written, its update is to come."""
        if step in self._schedule:
            self._numbers.again()  # a row that told them may be let go of
        if step >= self._looks:
            self._looks = step + self._every
            self._look(step)

    def _look(self, step: int) -> None:
        budget = self._sink.budget
        anchors = [one for one in self._full.anchors if one >= self._first]
        wanted = step + 1 - self._last
        first = max((one for one in anchors if one <= wanted), default=self._first)
        if budget.crowded and budget.forgotten == self._first and first == self._first:
            first = next((one for one in anchors if one > first), max(first, wanted))
        if first > self._first:
            self._first = first
            gone = self._full.forget(first, _FEW if budget.crowded else _DONORS)
            self._sink.forget(Forgotten(Window(self._last, first), *gone))
