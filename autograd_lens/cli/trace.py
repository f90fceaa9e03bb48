"""``autograd-lens trace``: steps printed line by line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import open_trace, printer, say, writable, write_lines
from autograd_lens.cli.options import prints
from autograd_lens.trace.records import Phase
from autograd_lens.trace.selection import select_steps

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command", "print_steps"]

_PHASES: tuple[Phase, ...] = ("forward", "backward", "update", "zero_grad")
_FEW = 8  # full steps that are named


@click.command("trace", short_help="Print steps line by line, with numbers.")
@click.option(
    *("--steps", "--step", "steps"),
    metavar="STEPS",
    show_default="the first",
    help="For example 0:3, 0,5,-1, every:100, all, last.",
)
@click.option(
    "--phase",
    "phases",
    type=click.Choice(_PHASES),
    multiple=True,
    help="Only this part of a step; may be given several times.",
)
@click.option("--kernels", is_flag=True, help="Show every ATen kernel, too.")
@prints(
    as_json="Print JSON lines, as export does.",
    output="A text file to write.  [default: standard output]",
)
def command(
    file: Path | None,
    steps: str | None,
    phases: tuple[Phase, ...],
    kernels: bool,
    as_json: bool,
    width: int | None,
    output: Path | None,
    force: bool,
) -> None:
    """Print what happened in each step: forward, backward, .grad writes, update, zeroing.

    \b
    autograd-lens trace train.lens --steps 0:3
    autograd-lens trace --steps last --phase backward --kernels
    """
    if output is not None:
        writable(output, force=force)
    with open_trace(file, replay=True) as trace:
        chosen = select_steps(steps or "0", len(trace.steps))
        if as_json:
            from autograd_lens.trace.export import json_lines

            write_lines(output, json_lines(trace.steps, chosen))
            return
        with printer(output, width) as console:
            print_steps(console, trace, chosen, phases=phases or _PHASES, kernels=kernels)
        if steps is None:
            say(_more(trace))


def print_steps(
    console: Console,
    trace: Trace,
    steps: Iterable[int],
    *,
    phases: tuple[Phase, ...] = _PHASES,
    kernels: bool = False,
) -> None:
    """Print steps one below the other."""
    from autograd_lens.render.trace import TraceOptions, render_step

    options = TraceOptions(phases=phases, kernels=kernels, width=console.width)
    for number, step in enumerate(steps):
        if number:
            console.print()
        console.print(render_step(trace.steps[step], trace.source, options))


def _more(trace: Trace) -> str:
    full = ", ".join(map(str, trace.full_steps[:_FEW]))
    rest = ", ..." if len(trace.full_steps) > _FEW else ""
    return (
        f"This is step 0 of {len(trace.steps):,}; recorded in full: {full or 'none'}{rest}. "
        "Choose with --steps 0:3, --steps last, ..."
    )
