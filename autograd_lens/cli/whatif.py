"""``autograd-lens whatif``: descend again with another constant, or from another place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws
from autograd_lens.errors import RenderError, ReplayError, SelectionError
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from autograd_lens.analysis.two_paths import TwoPaths
    from autograd_lens.api import Trace
    from autograd_lens.trace.kept import Surface
    from autograd_lens.trace.outcomes import WhatIf

__all__ = ["command", "draw_whatif"]

_KINDS = (".png", ".svg", ".pdf")
_COARSE, _COARSEST, _FINEST = 9, 15, 121  # positions along each side of the surface
_SECONDS = 5.0  # that the surface may take, and the curvature a part of


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
        target = writable(output or named_after(trace.path, "whatif.png"), force=force)
        if target.suffix.lower() not in _KINDS:
            msg = f"A picture cannot be drawn into {target.name!r}."
            raise RenderError(msg, hint=f"Choose a name that ends in {', '.join(_KINDS)}.")
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
    from autograd_lens.render.plots.style import figure_bytes
    from autograd_lens.render.plots.whatif import whatif_figure

    paths = two_paths(what, axes)
    surface, note = _surface(trace, what, paths)
    notes = [note] if note else []
    if "lr" in what.changes:
        notes += _stable_rate(trace, what)
    figure = whatif_figure(what, paths, surface, notes)
    with explained(target):
        target.write_bytes(figure_bytes(figure, target.suffix.lower()[1:]))  # type: ignore[arg-type]


def _surface(trace: Trace, what: WhatIf, paths: TwoPaths) -> tuple[Surface | None, str]:
    """The loss over what is drawn, or why it cannot be had."""
    import numpy as np

    from autograd_lens.replay.surface import evaluate_surface

    def positions(size: int) -> list[npt.NDArray[np.float64]]:
        u, v = (np.linspace(low, high, size) for low, high in paths.window.T.tolist())
        return [u, np.zeros(1) if paths.plane.kind == "line" else v]

    step = trace.steps[what.first]
    try:
        for _warm in range(2):  # some of the first evaluation is slow once only
            began = time.perf_counter()
            evaluate_surface(step, paths.plane, *positions(_COARSE))
            took = time.perf_counter() - began
            if took > _SECONDS / 2:
                break
        finer = (_SECONDS / took) ** 0.5
        size = min(max(int(_COARSE * finer), _COARSEST), _FINEST)
        return evaluate_surface(step, paths.plane, *positions(size)), ""
    except (ReplayError, RuntimeError) as error:
        return None, str(error)


def _stable_rate(trace: Trace, what: WhatIf) -> list[str]:
    """What the curvature at the first step says of learning rates, where it can be had."""
    from autograd_lens.replay.curvature import curvature

    try:
        found = curvature(trace.steps[what.first], seconds=_SECONDS / 2)
    except (ReplayError, RuntimeError):
        return []
    if found.largest <= 0:
        return []
    limit = f"stable there up to a learning rate of {found.stable_rate:.4f}."
    return [f"Curvature {found.largest:.4f} at the start: plain gradient descent is {limit}"]
