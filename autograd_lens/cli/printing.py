"""Where text for people goes: the terminal, a pipe, or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from autograd_lens.cli.files import explained, say, shown

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["printer"]

_FILE_WIDTH = 100  # columns of a text file, where no terminal sets them


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
    with explained(output), output.open("w", encoding="utf-8", newline="\n") as file:
        yield _console(file, width or _FILE_WIDTH)
    say(f"Wrote {shown(output)}")


def _console(file: TextIO, width: int | None) -> Console:
    from rich.console import Console

    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)
