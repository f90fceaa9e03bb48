"""What is shown while light steps are replayed and that takes long."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["ReplayStatus"]

_PATIENCE = 1.0  # seconds in which nobody wonders what is going on
_AGAIN = 0.1
_CLEAR = "\r\x1b[2K"


class ReplayStatus:
    """One line on a terminal's stderr that says which step is being replayed.

    Args:
        stream: Where to.
        between: Whether it may stay between two steps: results go somewhere else.
    """

    def __init__(self, stream: TextIO | None = None, *, between: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._between = not sys.stdout.isatty() if between is None else between
        self._began = self._last = 0.0
        self._written = False

    def __call__(self, step: int | None, target: int) -> None:
        """Take note that a step is replayed.

        Args:
            step: The step, None once the one that was asked for is there.
            target: The step that was asked for; large parameters come from the steps before.
        """
        if step is None:
            if not self._between:
                self.clear()
            return
        now = time.monotonic()
        self._began = self._began or now
        if now - self._began < _PATIENCE or now - self._last < _AGAIN:
            return
        if self._stream.isatty():
            way = "" if step == target else f", on the way to step {target}"
            self._stream.write(f"{_CLEAR}Replaying step {step}{way} ...")
            self._stream.flush()
            self._last, self._written = now, True

    def clear(self) -> None:
        """Take the line away."""
        if self._written:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._written = False
