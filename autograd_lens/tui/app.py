"""The application around the debugger's screen, and a picture of it without a terminal."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerFailed

from autograd_lens.errors import LensError, RenderError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Place
from autograd_lens.tui.background import Replay
from autograd_lens.tui.keys import KEYS
from autograd_lens.tui.session import Session
from autograd_lens.tui.stepper import Stepper

__all__ = ["SIZE", "StepperApp", "on_light", "screenshot"]

SIZE = (120, 40)
"""Columns and lines of a picture, where none are asked for."""

_FONT_FACE = re.compile(r"\s*@font-face\s*\{.*?\}", re.DOTALL)
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FAMILY = re.compile(r"font-family: ?Fira Code, ?monospace")
_PATIENCE = 60.0  # seconds that a replay or the doctor may take


class StepperApp(App[None]):
    """Walks through a recorded run.

    Args:
        trace: The run.
        replay: Opens a light step in full, or None where nothing can.
        follow: Whether to show steps of a run that goes on as they land.
        place: Where to start.
    """

    TITLE = "autograd-lens"
    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        trace: Trace,
        replay: Replay | None = None,
        *,
        follow: bool = False,
        place: Place | None = None,
    ) -> None:
        super().__init__()
        if on_light(os.environ):
            self.theme = "textual-light"
        self.session = Session(trace)
        self.session.go(place or Place(0))
        self.stepper = Stepper(self.session, replay, follow=follow)
        self.failure: LensError | None = None
        """What ended it, where the recording could not be shown."""

    def _handle_exception(self, error: Exception) -> None:
        """End; an error of ours is for whoever ran the application, and no crash."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, LensError):
            self.failure = self.failure or cause
            self.exit()
        else:
            super()._handle_exception(error)

    def walk(self) -> None:
        """Run it in the terminal.

        Raises:
            LensError: The recording cannot be shown.
        """
        self.run()
        if self.failure is not None:
            raise self.failure

    def get_default_screen(self) -> Screen[None]:
        """The debugger."""
        return self.stepper

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Every key's action by name, for the command palette."""
        for key in KEYS:
            if key.action:
                action = key.action if "." in key.action else f"screen.{key.action}"
                title = f"{key.help[:1].upper()}{key.help[1:]}"
                yield SystemCommand(title, f"Key {key.shown}", self._runner(screen, action))

    def _runner(self, screen: Screen[object], action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await screen.run_action(action)

        return run


def on_light(environment: Mapping[str, str]) -> bool:
    """Whether a terminal says that its background is light, and the user chose no theme.

    ``COLORFGBG``, which many terminals set, ends with the number of the background's colour.
    """
    ground = environment.get("COLORFGBG", "").rpartition(";")[2]
    return ground in {"7", "15"} and "TEXTUAL_THEME" not in environment


def screenshot(app: StepperApp, size: tuple[int, int] = SIZE, title: str = "") -> str:
    """The screen as SVG, once the run was looked at and the step is open; it loads nothing.

    Args:
        app: The application; it is run, and over afterwards.
        size: Columns and lines.
        title: In the picture's window bar.

    Raises:
        LensError: The recording cannot be shown, or the screen did not come to rest.
    """
    drawn: list[str] = []

    async def look(pilot: Pilot[object]) -> None:
        if await _settled(app, pilot):
            drawn.append(app.export_screenshot(title=title))
        app.exit()

    app.run(headless=True, size=size, auto_pilot=look)
    if app.failure is not None:
        raise app.failure
    if not drawn:
        msg = f"The screen did not come to rest in {_PATIENCE:.0f} seconds."
        raise RenderError(msg, hint="Add --no-replay, or choose a step that was recorded in full.")
    return _without_addresses(drawn[0])


async def _settled(app: StepperApp, pilot: Pilot[object]) -> bool:
    """Wait until nothing is left to do."""
    for _ in range(int(_PATIENCE / 0.05)):
        await asyncio.sleep(0.05)
        if not app.is_running:
            return False
        if app.stepper.settled:
            await pilot.pause()
            return True
    return False


def _without_addresses(svg: str) -> str:
    """The picture with fonts of the reader's own, so that nothing is fetched to show it."""
    svg = _COMMENT.sub("", _FONT_FACE.sub("", svg))
    return _FAMILY.sub(f"font-family: {_FONTS}", svg)
