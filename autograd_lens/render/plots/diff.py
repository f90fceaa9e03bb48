"""Two runs over their steps: both losses, and how far they are apart from the parting on."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd_lens.analysis.comparison import Comparison
from autograd_lens.render.plots.style import (
    CURVES,
    INK,
    QUIET,
    log_axis,
    new_figure,
    plain,
    step_axis,
)
from autograd_lens.trace.values import Floats

__all__ = ["diff_figure"]

_LETTERS = 70  # of a line of the title


def diff_figure(
    found: Comparison,
    names: tuple[str, str],
    losses: tuple[Floats, Floats],
    title: str,
    note: str = "",
) -> Figure:
    """Draw both losses, and below them the distance of the losses and of the parameters.

    Args:
        found: The comparison.
        names: What to call the two runs.
        losses: The loss of every step of each: (steps,).
        title: One sentence above, large enough for a slide.
        note: Another, below it.
    """
    figure = new_figure(10, 6)
    lines = textwrap.wrap(title, _LETTERS)[:2]
    figure.text(0.08, 0.965, "\n".join(lines), fontsize=15, color=INK, weight="bold", va="top")
    height = 0.965 - 0.052 * len(lines)
    figure.text(0.08, height, note, fontsize=10.5, color=QUIET, va="top")
    above = figure.add_axes((0.08, 0.45, 0.89, 0.31))
    below = figure.add_axes((0.08, 0.1, 0.89, 0.22))
    for number, (name, loss) in enumerate(zip(names, losses, strict=True)):
        color, dashes = CURVES[number]
        above.plot(loss, color=color, linestyle=dashes, linewidth=1.6, label=name)
    plain(above, "loss")
    if all((one[np.isfinite(one)] > 0).all() for one in losses):
        above.set_yscale("log")
        log_axis(above.yaxis)
    above.legend(frameon=False, fontsize=9, labelcolor=INK)
    _draw_apart(below, found, losses)
    for axes in (above, below):
        step_axis(axes, max(map(len, losses)) - 1)
        if found.parting is not None:
            axes.axvline(found.parting.step, color=QUIET, linewidth=1, linestyle=":")
    return figure


def _draw_apart(axes: Axes, found: Comparison, losses: tuple[Floats, Floats]) -> None:
    plain(axes, "apart", "dotted: where they part")
    shared = min(map(len, losses))
    with np.errstate(invalid="ignore"):
        apart = np.abs(losses[0][:shared] - losses[1][:shared])
    steps = np.flatnonzero(apart > 0)
    axes.plot(steps, apart[steps], color=CURVES[2][0], linewidth=1.4, label="losses")
    known = [(one.step, one.parameters) for one in found.growth if one.parameters > 0]
    if known:
        at, sizes = zip(*known, strict=True)
        axes.plot(
            at, sizes, "o--", color=CURVES[3][0], markersize=3, linewidth=1, label="parameters"
        )
    if steps.size or known:
        axes.set_yscale("log")
        log_axis(axes.yaxis)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
