"""A picture of the debugger's screen, drawn without a terminal."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from textual.pilot import Pilot

from autograd_lens.errors import RenderError

if TYPE_CHECKING:
    from autograd_lens.tui.app import StepperApp

__all__ = ["SIZE", "screenshot"]

SIZE = (120, 40)
"""Columns and lines of a picture, where none are asked for."""

_FONT_FACE = re.compile(r"\s*@font-face\s*\{.*?\}", re.DOTALL)
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FAMILY = re.compile(r"font-family: ?Fira Code, ?monospace")
_PATIENCE = 60.0  # seconds that a replay or the doctor may take


def screenshot(app: StepperApp, size: tuple[int, int] = SIZE, title: str = "") -> str:
    """The screen as SVG, once the run was looked at and the step is open; it loads nothing.

    Args:
        app: The application; it is run, and over afterwards.
        size: Columns and lines.
        title: In the picture's window bar.

    Raises:
        RenderError: The screen did not come to rest.
    """
    drawn: list[str] = []

    async def look(pilot: Pilot[object]) -> None:
        if await _settled(app, pilot):
            drawn.append(app.export_screenshot(title=title))
        app.exit()

    app.run(headless=True, size=size, auto_pilot=look)
    if not drawn:
        msg = f"The screen did not come to rest in {_PATIENCE:.0f} seconds."
        raise RenderError(msg, hint="Add --no-replay, or choose a step that was recorded in full.")
    return _without_addresses(drawn[0])


async def _settled(app: StepperApp, pilot: Pilot[object]) -> bool:
    """Wait until nothing is left to do."""
    for _ in range(int(_PATIENCE / 0.05)):
        await asyncio.sleep(0.05)
        if app.stepper.settled:
            await pilot.pause()
            return True
    return False


def _without_addresses(svg: str) -> str:
    """The picture with fonts of the reader's own, so that nothing is fetched to show it."""
    svg = _COMMENT.sub("", _FONT_FACE.sub("", svg))
    return _FAMILY.sub(f"font-family: {_FONTS}", svg)
