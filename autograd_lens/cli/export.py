"""``autograd-lens export``: a recording as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, writable, write_lines
from autograd_lens.cli.options import prints
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]


@click.command("export", short_help="Write a recording as JSON lines.")
@click.option(
    "--steps", default="all", show_default=True, help="For example 0:3, 0,5,-1, every:100."
)
@prints(width=False, output="The file to write.  [default: standard output]")
def command(file: Path | None, steps: str, output: Path | None, force: bool) -> None:
    """Write one JSON object a step: loss, parameters, grads, and all of a full step.

    \b
    autograd-lens export train.lens --steps 0:3
    autograd-lens export train.lens -o steps.jsonl
    """
    from autograd_lens.trace.export import json_lines

    with open_trace(file, replay=True) as trace:
        target = output and writable(output, force=force)
        write_lines(target, json_lines(trace.steps, select_steps(steps, len(trace.steps))))
