"""How many bytes a recording takes on the disk, and what of a run is kept within them.

NOTE 1 [What goes first]: a step opens in full where its tape is there and where replay can come
to what it found. So what only one step needs goes before what many need, and what replay makes
again goes before what nothing can make again. As the file fills::

    up to 1/2   everything; of large values inside full steps a share each, digests of the rest
    from 1/2    full steps hold digests of all large values, light rows of large parameters:
                replay gives the values
    from 3/4    batches are no longer kept
    from 7/8    tapes and keyframes are no longer kept: light rows alone
    from 31/32  nothing: the recording ends, and says so

Keyframes have half of it at most, a quarter from 1/2 on, and are thinned to stay within that.
Small values of full steps are always whole, as digests of them would take no less.

Where the last steps alone are kept, older ones go before all of that, from 5/8 on even such as
were to be kept.

NOTE 2 [Kept, not aimed at]: recording asks before it reads a value. What it let through stands
in a queue for half a second at most, so the size that it asks about runs ahead of the disk's:
what waits is counted as if it were written. Beyond that, the writer asks once more before each
piece that it writes, and drops what does not fit. A sixteenth of the budget is for SQLite's log,
which holds a piece of the file twice while it is written.
"""

from __future__ import annotations

from enum import IntEnum

from autograd_lens.trace.records import Event

__all__ = ["DEFAULT_SIZE", "Budget", "Level"]

DEFAULT_SIZE = 1 << 28
"""Bytes of one recording; suits a laptop."""

_LOG = 16  # this part of the budget is for SQLite's log
_PIECE = 64  # this part is written at once
_SHARE = 64  # this part one full step may hold of large values
_KEYFRAMES = 2  # this part all keyframes may have
_CROWDED = 5 / 8
_LARGEST_PIECE = 1 << 22
_LEAST_LOG = 1 << 18


class Level(IntEnum):
    """How much detail there still is room for (NOTE 1)."""

    ALL = 0
    DIGESTS = 1
    NO_BATCHES = 2
    ROWS = 3
    NOTHING = 4


_FILLED = {
    Level.NOTHING: 31 / 32,
    Level.ROWS: 7 / 8,
    Level.NO_BATCHES: 3 / 4,
    Level.DIGESTS: 1 / 2,
}


_SAID = {
    Level.NO_BATCHES: "batches are no longer kept",
    Level.ROWS: "steps from here on are recorded light, and those that read others do not open",
    Level.NOTHING: "what follows is not recorded",
}


class Budget:
    """The bytes of one recording, shared between the program's thread and the writer's.

    Args:
        size: Bytes that the file and its log may have together.

    Attributes:
        size: The same.
        level: What there is room for now.
        piece: Bytes that are written at once.
        asked: Bytes that were let through since the start.
        reached: The highest level so far, of the file or of a batch that was refused.
        forgotten: The first step whose values were not let go, as far as the writer has come.
    """

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        self.size = size
        self.level = Level.ALL
        self.piece = max(1, min(_LARGEST_PIECE, size // _PIECE))
        self._log = max(size // _LOG, _LEAST_LOG)
        self._room = max(0, size - self._log)
        self._written = 0  # bytes in use in the file
        self._spent = Level.ALL
        self.reached = Level.ALL
        self._said = Level.ALL
        self.asked = 0
        self.forgotten = 0
        self._come = 0  # of what was let through, what the writer has seen

    @property
    def spent(self) -> bool:
        """Whether something did not fit."""
        return self._spent is Level.NOTHING

    def notice(self, step: int | None) -> Event | None:
        """What the run's events have to tell of now, once.

        Args:
            step: The first step that something is missing from.
        """
        level = self.reached
        if level <= self._said:
            return None
        self._said = level
        if level not in _SAID:
            return None
        kind = "warning" if level < Level.NOTHING else "incomplete"
        size = f"{self.size / (1 << 20):.0f} MB"
        message = f"The recording takes what --max-size allows ({size}): {_SAID[level]}."
        return Event(kind, step, message)

    # -- the program's thread -------------------------------------------------------------

    @property
    def share(self) -> int:
        """Bytes of large values that a full step may hold."""
        return self.size // _SHARE if self.level == Level.ALL else 0

    @property
    def crowded(self) -> bool:
        """Whether old steps have to go, where old steps may."""
        return self._written + self.asked - self._come >= _CROWDED * self._room

    @property
    def keyframes(self) -> int:
        """Bytes that all keyframes together may have."""
        return self.size // _KEYFRAMES

    def take(self, size: int, level: Level, largest: int | None = None) -> bool:
        """Whether something may be kept that there is room for up to a level, this excluded.

        Args:
            size: Its bytes.
            level: The level.
            largest: Bytes of its largest value; the log holds each once more for a moment.
        """
        one = size if largest is None else largest
        if self._filled(size + (one if one > self._log else 0)) >= level:
            if level is Level.NO_BATCHES:  # keyframes are thinned anyway
                self.reached = max(self.reached, level)
            return False
        self.asked += size
        return True

    def give(self, size: int) -> None:
        """Something that was kept will be let go."""
        self.asked -= size

    # -- the writer's thread ----------------------------------------------------------------

    def wrote(self, used: int, asked: int) -> None:
        """What waited was written.

        Args:
            used: Bytes of the file that are in use.
            asked: What ``asked`` was when the queue was taken.
        """
        self._written, self._come = used, asked
        self.level = max(self._at(used), self._spent)
        self.reached = max(self.reached, self.level)

    def spend(self) -> None:
        """Something did not fit: nothing more is kept."""
        self.level = self.reached = self._spent = Level.NOTHING

    def fits(self, size: int, used: int) -> bool:
        """Whether so many bytes more may be written into a file with so many in use (NOTE 2).

        They stand in the log, too, where one value of them takes more than a piece.
        """
        return used + 2 * size <= self._room

    def _filled(self, more: int) -> Level:
        return self._at(self._written + self.asked - self._come + more)

    def _at(self, used: int) -> Level:
        filled = used / max(1, self._room)
        return next((level for level, part in _FILLED.items() if filled >= part), Level.ALL)
