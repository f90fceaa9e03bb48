"""``autograd-lens export``: a recording as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, writable, write_lines
from autograd_lens.cli.options import prints
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]

_FEW = 16  # elements of a value that is written in any case


@click.command("export", short_help="Write a recording as JSON lines.")
@click.option(
    "--steps", default="all", show_default=True, help="For example 0:3, 0,5,-1, every:100."
)
@click.option(
    "--values", is_flag=True, help="Write large values, too, not their type, shape and norm alone."
)
@prints(width=False, output="The file to write.  [default: standard output]")
def command(file: Path | None, steps: str, values: bool, output: Path | None, force: bool) -> None:
    """Write one JSON object a step: loss, parameters, grads, and all of a full step.

    Of values of more than 16 elements only their type, shape and norm are written.

    \b
    autograd-lens export train.lens --steps 0:3
    autograd-lens export train.lens --steps 0:3 --values
    autograd-lens export train.lens -o steps.jsonl
    """
    from autograd_lens.trace.export import json_lines

    with open_trace(file, replay=True, whole=values) as trace:
        target = output and writable(output, force=force)
        chosen = select_steps(steps, len(trace.steps))
        most = None if values else _FEW
        write_lines(target, json_lines(trace.steps, chosen, most=most))
