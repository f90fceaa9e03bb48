"""``autograd-lens step``: walk through a recording, forward and back."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.api import Trace, replaying
from autograd_lens.cli.files import open_trace, writable, write_lines
from autograd_lens.cli.options import reads
from autograd_lens.errors import LensError

if TYPE_CHECKING:
    from autograd_lens.trace.records import Step

__all__ = ["command", "walk"]


@click.command("step", short_help="Walk through a recording, forward and back.")
@reads()
@click.option(
    *("--at", "--step", "start"),
    metavar="STEP[:WHERE]",
    default="0",
    help="Start here: 12, last, 12:backward, 12:k7 for its kernel 7.",
)
@click.option("--follow", is_flag=True, help="Show steps of a run that still goes on.")
@click.option("--no-replay", is_flag=True, help="Leave light steps as they were recorded.")
@click.option(
    "--screenshot",
    type=click.Path(path_type=Path),
    metavar="SVG",
    help="Write the screen into an .svg file, and need no terminal.",
)
@click.option("--size", metavar="COLUMNSxLINES", help="Of the screenshot.  [default: 120x40]")
@click.option("-f", "--force", is_flag=True, help="Overwrite the screenshot.")
def command(
    file: Path | None,
    start: str,
    follow: bool,
    no_replay: bool,
    screenshot: Path | None,
    size: str | None,
    force: bool,
) -> None:
    """Open a recording in the terminal: press → to see what the next line did, ← to go back.

    \b
    autograd-lens step train.lens
    autograd-lens step train.lens --at last
    autograd-lens step train.lens --at 12:backward
    autograd-lens step train.lens --follow
    autograd-lens step train.lens --at 0:backward --screenshot screen.svg
    """
    if screenshot is None and size is not None:
        msg = "--size is the size of a screenshot, and none is asked for."
        raise LensError(msg, hint="Add --screenshot screen.svg.")
    if screenshot is None:
        walk(file, start, follow=follow, replay=not no_replay)
        return
    target = writable(screenshot, force=force)
    with open_trace(file) as trace:
        photograph(trace, target, start, _columns_and_lines(size), replay=not no_replay)


def photograph(
    trace: Trace,
    output: Path,
    start: str = "0",
    size: tuple[int, int] | None = None,
    *,
    replay: bool = True,
) -> None:
    """Write the debugger's screen into a file, and say so.

    Raises:
        LensError: There is no such step, or the file cannot be written.
    """
    from autograd_lens.trace.selection import Place
    from autograd_lens.tui.app import SIZE, StepperApp, screenshot

    place = Place.parse(start, len(trace.steps))
    app = StepperApp(trace, _Replay(trace.path) if replay else None, place=place)
    svg = screenshot(app, size or SIZE, f"autograd-lens step {trace.path.name}")
    write_lines(output, svg.splitlines())


def _columns_and_lines(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if found is None:
        msg = f"{text!r} is no size."
        raise LensError(msg, hint="Write columns and lines, for example 120x40.")
    return int(found[1]), int(found[2])


def walk(file: Path | None, start: str = "0", *, follow: bool = False, replay: bool = True) -> None:
    """Open the debugger on a recording.

    Raises:
        LensError: There is no terminal, no recording or no such step.
    """
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        msg = "step needs a terminal, and this is none."
        raise LensError(msg, hint="To print steps use: autograd-lens trace")
    from autograd_lens.trace.selection import Place
    from autograd_lens.tui.app import StepperApp

    with open_trace(file) as trace:
        place = Place.parse(start, len(trace.steps))
        opener = _Replay(trace.path) if replay else None
        StepperApp(trace, opener, follow=follow, place=place).walk()


class _Replay:
    """Opens light steps with a reader of its own, made when it is first needed.

    It runs in a thread beside the screen's, so the two must not share a reader; and making one
    imports torch.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trace: Trace | None = None

    def __call__(self, step: int) -> Step | None:
        """The step in full, or None where it cannot be replayed."""
        if self._trace is None:
            self._trace = replaying(Trace(self._path))
        opened = self._trace.replayer(step) if self._trace.replayer else None
        return opened if opened is not None and opened.level == "full" else None
