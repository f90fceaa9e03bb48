"""``autograd-lens info``: what is in a recording."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import open_trace, printer
from autograd_lens.cli.options import prints

__all__ = ["command"]


@click.command("info", short_help="Show what is in a recording.")
@click.option(
    "--curvature",
    is_flag=True,
    help="Measure the curvature of the loss, however long it takes, and keep it in the file.",
)
@prints()
def command(file: Path | None, width: int | None, curvature: bool) -> None:
    """Show the program, how it ended, steps, losses, learning rate, parameters and events.

    The largest stable learning rate is 2 / lambda, lambda the largest curvature of the loss.

    \b
    autograd-lens info train.lens
    """
    from autograd_lens.analysis.rates import find_rates
    from autograd_lens.render.info import render_info

    with open_trace(file) as trace, printer(None, width) as console:
        if curvature:
            _measure(trace)
        size = trace.path.stat().st_size
        rates = find_rates(trace)
        console.print(render_info(trace, size=size, width=console.width, rates=rates))


def _measure(trace: Trace) -> None:
    from autograd_lens.landscape import keep_curvatures, measure_curvatures

    keep_curvatures(trace.path, measure_curvatures(trace))
