"""``autograd-lens whatif``: descend again with another constant, or from another place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import drawable, explained, named_after, open_trace, say, shown
from autograd_lens.cli.options import draws
from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autograd_lens.api import Trace
    from autograd_lens.trace.outcomes import WhatIf

__all__ = ["command", "draw_whatif"]

_FINEST = 121  # positions along each side of the surface
_GROUPS = 2  # whose rates fit into a title
_SECONDS = 2.5  # that the curvature may take


@click.command("whatif", short_help="Descend again with another learning rate or start.")
@click.option("--from", "start", default="0", show_default=True, metavar="STEP", help="Begin here.")
@click.option(
    "--steps", default=200, show_default=True, type=click.IntRange(1), help="How many steps."
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="NAME=VALUE",
    help='A constant of the optimizer or a parameter: lr=1.7, w1=-5, "layer.weight[0,3]=1".',
)
@click.option("--axes", metavar="A,B", help="Two scalars to draw over.")
@draws("The picture: .png, .svg or .pdf.  [default: NAME-whatif.png]")
def command(
    file: Path | None,
    start: str,
    steps: int,
    changes: tuple[str, ...],
    axes: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Descend once more from a recorded step, with something changed, and draw both paths.

    Needs the recording alone: the recorded kernels are executed again, where they are proved
    to make every recorded update bit for bit.

    \b
    autograd-lens whatif train.lens --set lr=1.7 -o whatif.png
    autograd-lens whatif --from 100 --steps 50 --set w1=-5 --set lr=0.1
    """
    wanted = dict(map(_change, changes))
    with open_trace(file, replay=True) as trace:
        target = drawable(output or named_after(trace.path, "whatif.png"), force=force)
        first = select_step(start, len(trace.steps))
        say(draw_whatif(trace, target, first, steps, wanted, axes))
        say(f"Wrote {shown(target)}")


def draw_whatif(
    trace: Trace,
    target: Path,
    first: int,
    steps: int,
    changes: Mapping[str, float],
    axes: str | None = None,
) -> str:
    """Descend again with something changed and draw it into a file.

    Returns:
        What proves it, and what is to be known of it.

    Raises:
        ReplayError: The recorded updates cannot be proved, or the steps not be executed.
        SelectionError: A name is neither a constant nor a parameter, or of no element.
    """
    from autograd_lens.replay.whatif import what_if

    what = what_if(trace, first, steps, changes)
    _draw(trace, what, target, axes)
    return what.proof


def _change(text: str) -> tuple[str, float]:
    name, sign, value = text.rpartition("=")
    try:
        if sign and name.strip():
            return name.strip(), float(value)
    except ValueError:
        pass
    msg = f"{text!r} is no change."
    raise SelectionError(msg, hint="Write a name and a number, for example --set lr=1.7.")


def _draw(trace: Trace, what: WhatIf, target: Path, axes: str | None) -> None:
    from autograd_lens.analysis.two_paths import two_paths
    from autograd_lens.landscape import compute_surface
    from autograd_lens.render.plots.style import figure_bytes
    from autograd_lens.render.plots.whatif import whatif_figure

    what = replace(what, originals={**what.originals, **_scheduled(trace, what)})
    paths = two_paths(what, axes)
    surface, notes = None, []
    try:
        surface = compute_surface(
            trace, paths.plane, batch_of=what.first, window=paths.window, finest=_FINEST
        )
    except (ReplayError, RuntimeError) as error:
        notes.append(str(error))
    if "lr" in what.changes:
        notes += _stable_rate(trace, what)
    figure = whatif_figure(what, paths, surface, notes)
    with explained(target):
        target.write_bytes(figure_bytes(figure, target.suffix.lower()[1:]))  # type: ignore[arg-type]


def _scheduled(trace: Trace, what: WhatIf) -> dict[str, str]:
    """The recorded rates of these steps, where they are what is changed."""
    from autograd_lens.analysis.rates import find_rates
    from autograd_lens.render.rates import course_text

    if "lr" not in what.changes:
        return {}
    stop = what.first + len(what.changed.losses)
    groups = [group.within(what.first, stop) for group in find_rates(trace).groups]
    told = [*dict.fromkeys(course_text(group.course) for group in groups)]
    if len(told) > _GROUPS:
        return {"lr": f"{len(told)} rates of its own"}
    return {"lr": ", ".join(told)} if told else {}


def _stable_rate(trace: Trace, what: WhatIf) -> list[str]:
    """What the curvature at the first step says of learning rates, where it can be had."""
    from autograd_lens.landscape import measure_curvatures

    points = measure_curvatures(trace, steps=(what.first,), seconds=_SECONDS).points
    if not points or points[0].largest <= 0:
        return []
    limit = f"stable there up to a learning rate of {points[0].stable_rate:.4f}."
    return [f"Curvature {points[0].largest:.4f} at the start: plain gradient descent is {limit}"]
