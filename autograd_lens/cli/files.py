"""Files that verbs read and write, and where text for people goes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from autograd_lens.api import Trace, replaying
from autograd_lens.errors import LensError, RenderError, TraceError, TraceExistsError
from autograd_lens.trace.store import is_recording

if TYPE_CHECKING:
    from rich.console import Console

    from autograd_lens.capture import Limits
    from autograd_lens.capture.script import ScriptResult

__all__ = [
    "ReplayStatus",
    "drawable",
    "explained",
    "named_after",
    "of_rank",
    "open_trace",
    "printer",
    "record_script",
    "say",
    "shown",
    "writable",
    "write_lines",
]

_INCOMPLETE = 3  # exit status where the program ended well and its recording did not

_FIGURES = (".png", ".svg", ".pdf")
_FILE_WIDTH = 100  # columns of a text file, where no terminal sets them
_PATIENCE = 1.0  # seconds in which nobody wonders what is going on
_AGAIN = 0.1
_CLEAR = "\r\x1b[2K"


def say(message: str) -> None:
    """Tell the user something that is not the result, on stderr."""
    click.echo(message, err=True)


def open_trace(file: Path | None, *, replay: bool = False, whole: bool = True) -> Trace:
    """The trace that the user named, or the latest recording.

    Args:
        file: The file, or None for the latest recording of this folder, else of this user.
        replay: Whether light steps are opened in full when they are looked at.
        whole: Whether large values of full steps are made again then, too.

    Raises:
        TraceError: There is no such file, or it is not a trace.
    """
    if file is None:
        from autograd_lens.trace.recordings import latest

        file = latest()
        say(f"Reading {shown(file)}, the latest recording{_elsewhere(file)}.")
    if not file.exists():
        msg = f"There is no file {str(file)!r}."
        raise TraceError(msg, hint=_recordings_beside(file))
    if not replay:
        return Trace(file)
    status = ReplayStatus()
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(status.clear)
    return replaying(Trace(file), status, whole=whole)


def _elsewhere(file: Path) -> str:
    return "" if file.parent.resolve() == Path.cwd().resolve() else "; this folder has none"


def record_script(
    script: str,
    arguments: Sequence[str],
    output: Path | None,
    *,
    force: bool,
    full: str = "default",
    module: bool = False,
    limits: Limits | None = None,
    stop_on: str | None = None,
) -> tuple[Path, ScriptResult]:
    """Run a script and record it; the recording becomes the latest.

    Args:
        script: The script, or the name of a module.
        arguments: What comes behind it.
        output: The file that the user named; None for one named after the script, for which
            what is there is set aside.
        force: Whether to overwrite the file.
        full: Which steps are recorded in full.
        module: Whether ``script`` is a module.
        limits: How much is kept of large values.
        stop_on: The condition that ends the program.

    Raises:
        LensError: There is no such script, or the file cannot be written.
    """
    from autograd_lens.capture import run_script
    from autograd_lens.stopping import stop_on as asked
    from autograd_lens.trace.recordings import put_back, remember

    stop = None if stop_on is None else asked(stop_on)
    stem = script.rpartition(".")[2] if module else Path(script).stem
    ours = output is None and not force
    target = of_rank(output or Path(f"{stem}.lens"))
    writable(target, force=force or ours, recording=True)
    result = run_script(
        script,
        arguments,
        target,
        full=full,
        module=module,
        force=force,
        aside=ours,
        limits=limits,
        stop=stop,
    )
    if not result.complete:
        say(_incomplete(target, result.steps, result.failure))
        raise click.exceptions.Exit(result.exit_code or _INCOMPLETE)
    if result.nothing:
        target.unlink(missing_ok=True)
        if result.before is not None:
            put_back(result.before, target)
        say(f"Nothing was recorded: {result.nothing}")
        result.world.enter()
        raise click.exceptions.Exit(result.exit_code)
    remember(target)
    return target, result


def of_rank(path: Path) -> Path:
    """The file of this process where several train together, each with a number of its own."""
    rank, size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if not (rank.isdecimal() and size.isdecimal()) or int(size) <= 1:
        return path
    return path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


def _incomplete(target: Path, steps: int, failure: str) -> str:
    """What to say of a recording that was not written to its end."""
    try:
        with Trace(target) as trace:
            held = f"{shown(target)} holds {len(trace.steps):,} of {steps:,} steps."
    except TraceError:
        held = f"There is no trace to read in {shown(target)}."
    return f"autograd-lens: the recording is incomplete ({failure}). {held}"


def named_after(trace: Path, what: str) -> Path:
    """A file in the working directory, named after the trace it was made from."""
    return Path(f"{trace.stem}-{what}")


def writable(output: Path, *, force: bool, recording: bool = False) -> Path:
    """The path, where something may be written there; a symbolic link is followed.

    Args:
        output: The path.
        force: Whether a regular file that is there may be replaced.
        recording: Whether what is written is a recording: nothing else replaces one.

    Raises:
        TraceExistsError: Something is there and ``force`` was not given, or a recording is.
        LensError: It is a directory, in none, a device or a pipe.
    """
    if output.is_dir():
        msg = f"{str(output)!r} is a directory."
        raise LensError(msg, hint="Give -o the name of a file in it.")
    if output.exists() and not force:
        msg = f"{str(output)!r} exists."
        raise TraceExistsError(msg, hint="Add --force to overwrite it, or choose another -o.")
    if output.exists() and not output.is_file():
        msg = f"{str(output)!r} is a device or a pipe; --force replaces files alone."
        raise LensError(msg, hint="Choose another -o.")
    if not recording and output.exists() and is_recording(output):
        msg = f"{str(output)!r} is a recording, which only another one replaces."
        raise TraceExistsError(msg, hint="Choose another -o.")
    if not output.parent.is_dir():
        msg = f"There is no directory {str(output.parent)!r} to write {output.name!r} in."
        raise LensError(msg, hint="Make it, or choose another -o.")
    return output


def drawable(output: Path, *, force: bool) -> Path:
    """The path, where a figure may be written there.

    Raises:
        RenderError: Its name ends in none of the kinds that figures are drawn in.
        LensError: As for ``writable``.
    """
    if output.suffix.lower() not in _FIGURES:
        msg = f"A picture cannot be drawn into {output.name!r}."
        raise RenderError(msg, hint=f"Choose a name that ends in {', '.join(_FIGURES)}.")
    return writable(output, force=force)


def write_lines(output: Path | None, lines: Iterable[str]) -> None:
    """Write lines of text as they come, to a file or to standard output.

    Raises:
        LensError: The system does not let us.
    """
    if output is None:
        for line in lines:
            click.echo(line)
        return
    with _written(output) as file:
        file.writelines(f"{line}\n" for line in lines)


@contextmanager
def _written(output: Path) -> Iterator[TextIO]:
    """A text file, said to be written at the end; none is left that ends in the middle."""
    try:
        with explained(output), output.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    except BaseException:
        if output.is_file():
            output.unlink()
        raise
    say(f"Wrote {shown(output)}")


@contextmanager
def explained(output: Path) -> Iterator[None]:
    """Turn the system's refusal to write ``output`` into an error of ours."""
    try:
        yield
    except OSError as error:
        msg = f"Cannot write {str(output)!r}: {error.strerror or error}."
        raise LensError(msg, hint="Choose another place with -o.") from error


def shown(path: Path) -> str:
    """The path as short as it can be typed from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _recordings_beside(file: Path) -> str:
    folder = file.parent
    names = sorted(path.name for path in folder.glob("*.lens")) if folder.is_dir() else []
    if not names:
        return "Record one with: autograd-lens run train.py"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # as many as read at a glance
    return f"Recordings there: {', '.join(names[:3])}{more}."


@contextmanager
def printer(output: Path | None, width: int | None = None) -> Iterator[Console]:
    """A console that prints to standard output, or plainly into a file.

    Args:
        output: The file, or None for standard output: coloured on a terminal only.
        width: Columns; by default the terminal's, 80 in a pipe, 100 in a file.

    Raises:
        LensError: The file cannot be written.
    """
    if output is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without ∂ shows ?
        yield _console(sys.stdout, width)
        return
    with _written(output) as file:
        yield _console(file, width or _FILE_WIDTH)


def _console(file: TextIO, width: int | None) -> Console:
    from rich.console import Console

    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


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

    def trying(self, what: str) -> None:
        """Say what is tried; ``""`` takes the line away."""
        if not what:
            self.clear()
        elif self._stream.isatty():
            self._stream.write(f"{_CLEAR}Trying {what} ...")
            self._stream.flush()
            self._written = True

    def clear(self) -> None:
        """Take the line away."""
        if self._written:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._written = False
