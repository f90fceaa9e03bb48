"""Looking at the whole run in a thread, so that neither the first picture nor a key waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

from autograd_lens.trace.reader import Trace
from autograd_lens.tui.overview import Overview, examined, surveyed
from autograd_lens.tui.session import SessionTrace

if TYPE_CHECKING:
    from autograd_lens.tui.stepper import Stepper

__all__ = ["Surveyor"]


class Surveyor:
    """Reads the histories of a screen's run, then asks the doctor about it.

    The thread is one that quitting does not wait for, and it reads through a reader of its own.

    Args:
        screen: The screen.
    """

    def __init__(self, screen: Stepper) -> None:
        self._screen = screen
        self._working = False
        self._again = False
        self._waiting: list[Callable[[], None]] = []
        self.seen = False
        """Whether the histories were read once."""
        self.done = False
        """Whether the doctor was asked, too, and nothing is left to do."""

    @property
    def note(self) -> str:
        """What the status line says of it."""
        findings = len(self._screen.session.overview.findings)
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

    def then(self, action: Callable[[], None]) -> None:
        """Do something as soon as the run was looked at."""
        if self.seen:
            action()
        else:
            self._waiting.append(action)

    def _work(self) -> None:
        trace = self._screen.session.trace
        overview = self._screen.session.overview
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
        self._screen.session.overview = overview
        self.seen = True
        self._screen.draw()
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
def _own_reader(trace: SessionTrace) -> Iterator[SessionTrace]:
    """The run through a reader of its own, where it is a file."""
    if not isinstance(trace, Trace):
        yield trace
        return
    with closing(Trace(trace.path)) as own:
        yield own
