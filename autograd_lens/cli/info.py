"""``autograd-lens info``: what is in a recording."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import file_argument, open_trace
from autograd_lens.cli.printing import printer

__all__ = ["command"]


@click.command("info", short_help="Show what is in a recording.")
@file_argument()
@click.option("--width", type=click.IntRange(40), help="Columns.  [default: the terminal's]")
def command(file: Path | None, width: int | None) -> None:
    """Show the program, how it ended, steps, losses, parameters and events.

    \b
    autograd-lens info train.lens
    """
    from autograd_lens.render.info import render_info

    with open_trace(file) as trace, printer(None, width) as console:
        size = trace.path.stat().st_size
        console.print(render_info(trace, size=size, width=console.width))
