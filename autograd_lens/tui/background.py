"""What goes on by itself: playing, opening light steps, looking at the whole run.

Replays and the look at the run work in threads, so that neither the first picture nor a key
waits for them; what they found is shown by the screen's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Thread

from textual.screen import Screen
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from autograd_lens.errors import LensError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.tui.overview import Overview, examined, surveyed
from autograd_lens.tui.session import Session

__all__ = ["Opener", "Player", "Replay", "Surveyor"]

Replay = Callable[[int], Step | None]
"""Opens a light step in full; called in a thread of its own, one call at a time."""

Do = Callable[[], None]

_SPEEDS = (1, 2, 4, 8, 16, 30)  # events a second
_USUAL = 2
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_REST = 0.25  # seconds on a step before it is opened, so that passing by costs nothing


class Player:
    """Moves on by itself, one event after the other at a chosen speed.

    Args:
        screen: The screen.
        advance: Moves on; False at the end.
        draw_status: Writes the status line again.
    """

    def __init__(self, screen: Screen[None], advance: Callable[[], bool], draw_status: Do) -> None:
        self._screen = screen
        self._advance = advance
        self._draw_status = draw_status
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
        if not self._advance():
            self.stop()
            self._draw_status()


class Opener:
    """Opens the current step of a walk in full, with a spinner while that takes its time.

    Args:
        screen: The screen.
        session: The walk.
        replay: Opens a step, or None where nothing can.
        draw: Writes the screen again.
        draw_status: Writes the status line again.
    """

    def __init__(
        self,
        screen: Screen[None],
        session: Session,
        replay: Replay | None,
        draw: Do,
        draw_status: Do,
    ) -> None:
        self._screen = screen
        self._session = session
        self._draw = draw
        self._draw_status = draw_status
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
        if self._session.step not in self._refused:
            self.now(quiet=True)

    def _is_light(self) -> bool:
        opened = self._session.opened
        return opened is not None and opened.step.level == "light"

    def now(self, *, quiet: bool = False) -> None:
        """Open the current step."""
        if not self._is_light():
            if not quiet:
                self._screen.notify("This step is open in full.", timeout=2)
        elif self._replay is None:
            hint = f"Record it with --full {self._session.step}."
            self._screen.notify(f"Nothing here can replay this step. {hint}", timeout=4)
        elif self._step is None:
            self._start(self._replay, self._session.step)

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
            self._session.replayed(opened)
            self._draw()
        else:
            self._refused.add(step)
            self._screen.notify(problem, severity="warning", timeout=6)
        self._draw_status()
        if self._session.step != step:
            self.soon()

    def _turn(self) -> None:
        self._frame += 1
        self._draw_status()


def _words(step: int, reason: BaseException | None) -> str:
    if isinstance(reason, LensError):
        return str(reason)
    return f"Step {step:,} cannot be replayed: {type(reason).__name__}: {reason}"


class Surveyor:
    """Reads the histories of a walk's run, then asks the doctor about it.

    The thread is one that quitting does not wait for, and it reads through a reader of its own.

    Args:
        screen: The screen.
        session: The walk.
        draw: Writes the screen again.
    """

    def __init__(self, screen: Screen[None], session: Session, draw: Do) -> None:
        self._screen = screen
        self._session = session
        self._draw = draw
        self._working = False
        self._again = False
        self._waiting: list[Do] = []
        self.seen = False
        """Whether the histories were read once."""
        self.done = False
        """Whether the doctor was asked, too, and nothing is left to do."""

    @property
    def note(self) -> str:
        """What the status line says of it."""
        findings = len(self._session.overview.findings)
        if findings:
            return f"▼ {findings} finding{'s' if findings > 1 else ''}"
        return ""

    def look(self) -> None:
        """Look at the run, or once more after the look that is being taken."""
        if self._working:
            self._again = True
            return
        self._working, self.done = True, False
        Thread(target=self._work, daemon=True, name="survey").start()

    def then(self, action: Do) -> None:
        """Do something as soon as the run was looked at."""
        if self.seen:
            action()
        else:
            self._waiting.append(action)

    def _work(self) -> None:
        trace = self._session.trace
        overview = self._session.overview
        problem = ""
        try:
            with _own_reader(trace) as own:
                overview = replace(surveyed(own), findings=overview.findings)
                self._screen.call_later(self._show, overview)
                if own.info.status != "running":
                    overview = replace(overview, findings=examined(own))
        except Exception as error:  # noqa: BLE001  a survey must not end the walk
            problem = f"The run could not be read as a whole: {error}"
        self._screen.call_later(self._finish, overview, problem)

    def _show(self, overview: Overview) -> None:
        self._session.overview = overview
        self.seen = True
        self._draw()
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()

    def _finish(self, overview: Overview, problem: str) -> None:
        self._working = False
        self._show(overview)
        if problem:
            self._screen.notify(problem, severity="warning", timeout=6)
        if self._again:
            self._again = False
            self.look()
        else:
            self.done = True


@contextmanager
def _own_reader(trace: Trace) -> Iterator[Trace]:
    """The run through a reader of its own; what is in memory alone is read as it is."""
    if not trace.path.is_file():
        yield trace
        return
    with closing(Trace(trace.path)) as own:
        yield own
