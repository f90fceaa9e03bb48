"""``autograd-lens path``: the descent path on the loss surface, as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws, speaks
from autograd_lens.errors import RenderError
from autograd_lens.trace.selection import select_step

__all__ = ["command", "draw_path"]

_DATE = {".png": None, ".svg": "Date", ".pdf": "CreationDate"}  # what matplotlib calls it


@click.command("path", short_help="Draw the descent path on the loss surface.")
@click.option(
    "--axes",
    metavar="A,B",
    help='Two scalars to draw over, for example w1,b1 or "layer.weight[0,3],layer.bias[0]"; or '
    "directions, in which the path is longest.",
)
@click.option(
    "--step", "at", metavar="STEP", help="The step whose batch the surface is the loss of."
)
@speaks()
@draws("The picture: .png, .svg or .pdf.  [default: NAME-path.png]")
def command(
    file: Path | None,
    axes: str | None,
    at: str | None,
    lang: str,
    output: Path | None,
    force: bool,
) -> None:
    """Draw the path of the parameters on the loss surface, and the loss over the steps.

    The surface is drawn over the two parameters, or over the two directions in which the path
    is longest where there are more.

    \b
    autograd-lens path train.lens -o path.png
    autograd-lens path train.lens --axes "fc.weight[0,3],fc.bias[0]" --step 10
    """
    with open_trace(file, replay=at is not None) as trace:
        step = None if at is None else select_step(at, len(trace.steps))
        target = writable(output or named_after(trace.path, "path.png"), force=force)
        draw_path(trace, target, axes, step, lang)


def draw_path(
    trace: Trace,
    output: Path,
    axes: str | None = None,
    step: int | None = None,
    language: str = "en",
) -> None:
    """Draw the path into a file, and say so.

    Raises:
        RenderError: The suffix is unknown.
        ReplayError: The loss of ``step`` cannot be computed elsewhere.
    """
    suffix = output.suffix.lower()
    if suffix not in _DATE:
        msg = f"A path cannot be drawn into {output.name!r}."
        raise RenderError(msg, hint=f"Choose a name that ends in {', '.join(_DATE)}.")
    from matplotlib import rc_context

    date = _DATE[suffix]
    from autograd_lens.render.plots.language import spoken

    figure = spoken(trace.plot_path(axes, step=step), language)
    with explained(output), rc_context({"svg.hashsalt": "autograd_lens"}):
        figure.savefig(output, metadata={date: None} if date else {})  # same run, same bytes
    say(f"Wrote {shown(output)}")
