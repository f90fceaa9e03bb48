"""How often steps are recorded in full where nobody said which.

NOTE 1 [A share of the time]: one full step of a large model takes as long as three or four others.
The default ones behind the first three, which tell what changes from step to step, are therefore
only taken where all of them together have used a small share of the processor's time since the
first backward, beyond a tenth of a second that small programs never use up. Steps that are left
out are recorded like those around them, and open by replay.
"""

from __future__ import annotations

import time

from autograd_lens.capture.schedule import Schedule

__all__ = ["Pace"]

_SHARE = 0.02
_FREE = 0.1  # seconds
_ALWAYS = 2  # the last step that is taken whatever it costs


class Pace:
    """Chooses among the steps of a schedule.

    Args:
        schedule: The steps.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._began: float | None = None  # seconds of this thread, as all here
        self._spent = self._since = 0.0
        self._decided: dict[int, bool] = {}
        self._postponed = False

    def next(self, step: int) -> int:
        """The first step from one on that is recorded in full, as far as it was decided on.

        Each is decided on when the one before it runs.

        Args:
            step: The step.
        """
        if self._postponed:
            return step
        found = self._schedule.next(step)
        while found <= step + 1 and not self._takes(found):
            found = self._schedule.next(found + 1)
        return found

    def begins(self, step: int) -> None:
        """A step begins that is to be recorded in full."""
        if self._schedule.spares(step):  # asking for the time may take as long as a small step
            self._since = time.thread_time()

    def postpone(self) -> None:
        """A step could not be recorded in full: the next one that can be will be."""
        self._postponed = True

    def ended(self, step: int) -> None:
        """A step was recorded in full."""
        self._postponed = False
        if not self._schedule.spares(step):
            return
        now = time.thread_time()
        if self._began is None:  # what is imported and made in the first one comes once
            self._began = now
        elif self._since:  # else it was recorded for its structure
            self._spent += now - self._since
            self._since = 0.0

    def _takes(self, step: int) -> bool:
        if step <= _ALWAYS or not self._schedule.spares(step):
            return True
        if step not in self._decided:
            now = time.thread_time()
            allowed = _FREE + _SHARE * (now - (self._began or now))
            self._decided = {step: self._spent <= allowed}
        return self._decided[step]
