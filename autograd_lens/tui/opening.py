"""Opening light steps in full: a replay in a thread, and a spinner while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.worker import Worker, WorkerState

from autograd_lens.errors import LensError
from autograd_lens.trace.records import Step

if TYPE_CHECKING:
    from autograd_lens.tui.stepper import Stepper

__all__ = ["Opener", "Replay"]

Replay = Callable[[int], Step | None]
"""Opens a light step in full; called in a thread of its own, one call at a time."""

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_REST = 0.25  # seconds on a step before it is opened, so that passing by costs nothing


class Opener:
    """Opens the current step of a screen.

    Args:
        screen: The screen.
        replay: Opens a step, or None where nothing can.
    """

    def __init__(self, screen: Stepper, replay: Replay | None) -> None:
        self._screen = screen
        self._replay = replay
        self._waiting: Timer | None = None
        self._spinner: Timer | None = None
        self._frame = 0
        self._step: int | None = None
        self._refused: set[int] = set()

    @property
    def note(self) -> str:
        """What the status line says of it."""
        if self._step is None:
            return ""
        frame = _FRAMES[self._frame % len(_FRAMES)]
        return f"{frame} opening step {self._step:,}"

    def soon(self) -> None:
        """Open the current step once the reader rests on it."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        if self._replay is not None and self._is_light():
            self._waiting = self._screen.set_timer(_REST, self._rested)

    def _rested(self) -> None:
        if self._screen.session.step not in self._refused:
            self.now(quiet=True)

    def _is_light(self) -> bool:
        opened = self._screen.session.opened
        return opened is not None and opened.step.level == "light"

    def now(self, *, quiet: bool = False) -> None:
        """Open the current step."""
        if not self._is_light():
            if not quiet:
                self._screen.notify("This step is open in full.", timeout=2)
        elif self._replay is None:
            hint = f"Record it with --full {self._screen.session.step}."
            self._screen.notify(f"Nothing here can replay this step. {hint}", timeout=4)
        elif self._step is None:
            self._start(self._replay, self._screen.session.step)

    def _start(self, replay: Replay, step: int) -> None:
        self._step = step
        self._spinner = self._screen.set_interval(0.1, self._turn)
        self._screen.run_worker(self._work(replay, step), name="replay", exit_on_error=False)
        self._turn()

    async def _work(self, replay: Replay, step: int) -> None:
        worker: Worker[Step | None] = self._screen.run_worker(
            lambda: replay(step), thread=True, exit_on_error=False, name="replay thread"
        )
        try:
            opened = await worker.wait()
            problem = "" if opened else f"Step {step:,} cannot be replayed."
        except Exception as error:  # noqa: BLE001  torch raises anything
            reason = worker.error if worker.state is WorkerState.ERROR else error
            opened, problem = None, _words(step, reason)
        self._done(step, opened, problem)

    def _done(self, step: int, opened: Step | None, problem: str) -> None:
        self._step = None
        if self._spinner is not None:
            self._spinner.stop()
        if opened is not None:
            self._screen.show_replayed(opened)
        else:
            self._refused.add(step)
            self._screen.notify(problem, severity="warning", timeout=6)
        self._screen.draw_status()
        if self._screen.session.step != step:
            self.soon()

    def _turn(self) -> None:
        self._frame += 1
        self._screen.draw_status()


def _words(step: int, reason: BaseException | None) -> str:
    if isinstance(reason, LensError):
        return str(reason)
    return f"Step {step:,} cannot be replayed: {type(reason).__name__}: {reason}"
