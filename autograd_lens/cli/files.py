"""Files that verbs read and write: which one is meant, and whether it may be written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from autograd_lens.api import Trace, replaying
from autograd_lens.cli.waiting import ReplayStatus
from autograd_lens.errors import LensError, TraceError, TraceExistsError

__all__ = [
    "Bytes",
    "explained",
    "file_argument",
    "force_option",
    "named_after",
    "open_trace",
    "output_option",
    "say",
    "shown",
    "writable",
    "write_lines",
]

_PATH = click.Path(path_type=Path)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Bytes(click.ParamType[int]):
    """A size as people write it: ``4096``, ``64KB``, ``256MB``, ``1.5GB``."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no size; write for example 64KB or 256MB.", param, ctx)
        power = " KMGT".index(match[2].upper() or " ")
        return int(float(match[1]) * 1024**power)


def file_argument() -> Decorator:
    """The argument FILE: the trace to read."""
    return click.argument("file", required=False, type=_PATH)


def output_option(text: str) -> Decorator:
    """The option ``-o``; ``text`` says what it decides."""
    return click.option("-o", "--output", type=_PATH, metavar="FILE", help=text)


def force_option() -> Decorator:
    """The option ``--force``."""
    return click.option("-f", "--force", is_flag=True, help="Overwrite the output file.")


def say(message: str) -> None:
    """Tell the user something that is not the result, on stderr."""
    click.echo(message, err=True)


def open_trace(file: Path | None, *, replay: bool = False) -> Trace:
    """The trace that the user named, or the latest recording.

    Args:
        file: The file, or None for the latest recording.
        replay: Whether light steps are opened in full when they are looked at.

    Raises:
        TraceError: There is no such file, or it is not a trace.
    """
    if file is None:
        from autograd_lens.trace.latest import latest

        file = latest()
        say(f"Reading {shown(file)}, the latest recording.")
    if not file.exists():
        msg = f"There is no file {str(file)!r}."
        raise TraceError(msg, hint=_recordings_beside(file))
    if not replay:
        return Trace(file)
    status = ReplayStatus()
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(status.clear)
    return replaying(Trace(file), status)


def named_after(trace: Path, what: str) -> Path:
    """A file in the working directory, named after the trace it was made from."""
    return Path(f"{trace.stem}-{what}")


def writable(output: Path, *, force: bool) -> Path:
    """The path, where something may be written there.

    Raises:
        TraceExistsError: Something is there and ``force`` was not given.
        LensError: It is a directory, or in none.
    """
    if output.is_dir():
        msg = f"{str(output)!r} is a directory."
        raise LensError(msg, hint="Give -o the name of a file in it.")
    if output.exists() and not force:
        msg = f"{str(output)!r} exists."
        raise TraceExistsError(msg, hint="Add --force to overwrite it, or choose another -o.")
    if not output.parent.is_dir():
        msg = f"There is no directory {str(output.parent)!r} to write {output.name!r} in."
        raise LensError(msg, hint="Make it, or choose another -o.")
    return output


def write_lines(output: Path | None, lines: Iterable[str]) -> None:
    """Write lines of text as they come, to a file or to standard output.

    Raises:
        LensError: The system does not let us.
    """
    if output is None:
        for line in lines:
            click.echo(line)
        return
    with explained(output), output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
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
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004  as many as read at a glance
    return f"Recordings there: {', '.join(names[:3])}{more}."
