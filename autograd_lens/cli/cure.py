"""``autograd-lens cure``: what keeps a run finite that was not, found by executing it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import (
    ReplayStatus,
    drawable,
    explained,
    open_trace,
    printer,
    say,
    shown,
)
from autograd_lens.cli.options import prints
from autograd_lens.errors import SelectionError
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from autograd_lens.trace.outcomes import Cure
    from autograd_lens.trace.reader import Trace

__all__ = ["command"]


@click.command("cure", short_help="What keeps a run finite that was not, by executing it again.")
@click.option(
    "--step", "bad", metavar="N", help="The step.  [default: the first whose loss is not finite]"
)
@click.option("--from", "start", metavar="STEP", help="Begin here.  [default: where it began]")
@click.option(
    "--beyond", default=20, show_default=True, type=click.IntRange(1), help="Steps behind it."
)
@prints(as_json="Print it as JSON.", output="Draw the curves, too: .png, .svg or .pdf.")
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    bad: str | None,
    start: str | None,
    beyond: int,
    as_json: bool,
    width: int | None,
    output: Path | None,
    force: bool,
) -> None:
    """Go back before step N and execute again, with one thing at a time done otherwise.

    Tried are half and a tenth of the learning rate, clipping, leaving the batch out, another
    epsilon; and the step in float64. Every sentence is of steps that were executed, from
    recorded ones whose updates are proved. The exit status is 1 where nothing helps.

    \b
    autograd-lens cure train.lens --step 137
    autograd-lens cure -o cure.png
    """
    target = None if output is None else drawable(output, force=force)
    status = ReplayStatus(between=False)
    with open_trace(file, replay=True, whole=False) as trace:
        found = _find(trace, bad, start, beyond, status)
        from autograd_lens.render.cure import cure_json, render_cure

        if as_json:
            click.echo(json.dumps(cure_json(found)))
        else:
            with printer(None, width) as console:
                console.print(render_cure(found, width=console.width))
        if target is not None:
            _draw(found, target)
    ctx.exit(0 if any(one.finite for one in found.trials[1:]) else 1)


def _find(
    trace: Trace, bad: str | None, start: str | None, beyond: int, status: ReplayStatus
) -> Cure:
    from autograd_lens.doctor.cure import beginning, first_bad_step, treatments
    from autograd_lens.replay.cure import cure

    count = len(trace.steps)
    step = first_bad_step(trace) if bad is None else select_step(bad, count)
    if step is None:
        msg = "Every recorded loss is a finite number."
        raise SelectionError(msg, hint="Name the step that went wrong: --step 137.")
    first = beginning(trace, step) if start is None else select_step(start, count)
    if first > step:
        msg = f"Step {first} is behind step {step}."
        raise SelectionError(msg, hint="Begin at that step or before it.")
    stretch = range(first, step + beyond)
    return cure(trace, step, stretch, treatments(trace, step, first), status.trying)


def _draw(found: Cure, target: Path) -> None:
    from autograd_lens.render.plots.cure import cure_figure
    from autograd_lens.render.plots.style import figure_bytes

    with explained(target):
        target.write_bytes(figure_bytes(cure_figure(found), target.suffix.lower()[1:]))  # type: ignore[arg-type]
    say(f"Wrote {shown(target)}")
