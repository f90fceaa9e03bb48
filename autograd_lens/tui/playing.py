"""Playing: one event after the other at a chosen speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

if TYPE_CHECKING:
    from autograd_lens.tui.stepper import Stepper

__all__ = ["Player"]

_SPEEDS = (1, 2, 4, 8, 16, 30)  # events a second
_USUAL = 2


class Player:
    """Moves a screen on by itself.

    Args:
        screen: The screen.
    """

    def __init__(self, screen: Stepper) -> None:
        self._screen = screen
        self._timer: Timer | None = None
        self._speed = _USUAL

    @property
    def note(self) -> str:
        """What the status line says of it."""
        return f"▸ {_SPEEDS[self._speed]} events/s" if self._timer else ""

    def toggle(self) -> None:
        """Start or stop."""
        if self._timer is not None:
            self.stop()
        else:
            self._timer = self._screen.set_interval(1 / _SPEEDS[self._speed], self._next)

    def stop(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def change(self, by: int) -> None:
        """Choose the next faster or slower speed."""
        self._speed = min(max(self._speed + by, 0), len(_SPEEDS) - 1)
        if self._timer is not None:
            self.stop()
            self.toggle()
        else:
            self._screen.notify(f"Plays {_SPEEDS[self._speed]} events a second.", timeout=2)

    def _next(self) -> None:
        if not self._screen.arrived(moved=self._screen.session.advance()):
            self.stop()
            self._screen.draw_status()
