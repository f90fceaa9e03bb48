"""Moving through a run as a debugger moves through a program: into, over, out of, and back.

NOTE 1 [What is inside of what]: a line of the forward has kernels inside, where it ran several;
a call of the engine has its nodes and what they wrote into ``.grad``; a step has all of these.
Updates and clearings have nothing inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autograd_lens.analysis.events import StepEvent
from autograd_lens.tui.session import Opened, Session

__all__ = ["Walk", "depths"]


def depths(events: Sequence[StepEvent]) -> tuple[int, ...]:
    """How deep each event of a step lies: 0, or 1 for what is inside of another (NOTE 1)."""
    found, inside = [], frozenset[int]()
    for event in events:
        if event.kind == "line":
            inside = frozenset(event.kernels)
        within = event.kind == "kernel" and event.item in inside
        found.append(int(within or event.kind in {"node", "grad"}))
    return tuple(found)


class Walk:
    """A session, moved as debuggers move.

    Args:
        session: Where we are.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._measured: tuple[Opened, tuple[int, ...]] | None = None

    @property
    def depth(self) -> int:
        """How deep the current event lies."""
        opened = self._session.opened
        if opened is None or not opened.events:
            return 0
        if self._measured is None or self._measured[0] is not opened:
            self._measured = opened, depths(opened.events)
        return self._measured[1][self._session.event]

    def into(self) -> bool:
        """To the next event; False at the very end."""
        return self._session.advance()

    def back_into(self) -> bool:
        """To the event before; False at the very start."""
        return self._session.retreat()

    def over(self) -> bool:
        """To the next event that is not inside of this one; False at the very end."""
        return self._until(self._session.advance, self.depth)

    def back(self) -> bool:
        """To the event before that is not inside of another one; False at the very start."""
        return self._until(self._session.retreat, self.depth)

    def out(self) -> bool:
        """Behind what this event is inside of: a line, a call of the engine, else the step."""
        if self.depth:
            return self._until(self._session.advance, self.depth - 1)
        opened, session = self._session.opened, self._session
        if session.step + 1 < session.steps:
            session.step, session.event = session.step + 1, 0
            return True
        return session.to_event(max(len(opened.events) - 1, 0)) if opened else False

    def _until(self, move: Callable[[], bool], most: int) -> bool:
        moved = False
        while move():
            moved = True
            if self.depth <= most:
                break
        return moved
