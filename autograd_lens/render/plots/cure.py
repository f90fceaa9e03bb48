"""The loss of a stretch as it was recorded, and with each thing done otherwise."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from autograd_lens.render.cure import cure_sentence
from autograd_lens.render.plots.style import (
    CURVES,
    INK,
    QUIET,
    log_axis,
    new_figure,
    plain,
    step_axis,
)
from autograd_lens.trace.outcomes import Cure

__all__ = ["cure_figure"]


def cure_figure(found: Cure) -> Figure:
    """Draw the loss of every trial over the steps, those that were left out apart."""
    figure = new_figure(10, 5.2)
    figure.text(
        0.08,
        0.96,
        cure_sentence(found),
        fontsize=11.5,
        color=INK,
        weight="bold",
        wrap=True,
        va="top",
    )
    axes = figure.add_axes((0.08, 0.12, 0.6, 0.68))
    positive = True
    for number, one in enumerate(one for one in found.trials if not one.missing):
        color, dashes = CURVES[number % len(CURVES)]
        losses = np.where(np.isfinite(one.losses), one.losses, np.nan)
        steps = np.arange(found.first, found.first + len(losses))
        axes.plot(steps, losses, color=color, linestyle=dashes, linewidth=1.7, label=one.name)
        positive &= bool((losses[np.isfinite(losses)] > 0).all())
    plain(axes, "loss", f"dotted: step {found.step}")
    if positive:
        axes.set_yscale("log")
        log_axis(axes.yaxis)
    step_axis(axes, found.first + found.steps - 1)
    axes.set_xlim(found.first, found.first + found.steps - 1)
    axes.axvline(found.step, color=QUIET, linewidth=1, linestyle=":")
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9, labelcolor=INK
    )
    figure.text(0.08, 0.02, found.proof, fontsize=8.5, color=QUIET)
    return figure
