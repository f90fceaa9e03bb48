"""Two descents on one surface: the recorded one, and what it would have been."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from autograd_lens.analysis.quadratic import quadratic_minimum
from autograd_lens.analysis.two_paths import TwoPaths
from autograd_lens.render.plots.field import Field, draw_field, make_field
from autograd_lens.render.plots.style import (
    CURVES,
    INK,
    QUIET,
    SURFACE,
    log_axis,
    new_figure,
    number,
    plain,
    step_axis,
    value_axis,
)
from autograd_lens.trace.kept import Surface
from autograd_lens.trace.outcomes import WhatIf
from autograd_lens.trace.values import Floats

__all__ = ["whatif_figure"]

_DIVERGED = 10.0  # times the first loss
_APART = 0.02  # of the picture: the rims of points that are nearer would hide the line
_MANY, _TANGLED = 4, 3.0  # points; extents that a path is long: it goes to and fro
_RECORDED, _CHANGED = CURVES[0], CURVES[1]


def whatif_figure(
    what: WhatIf, paths: TwoPaths, surface: Surface | None, notes: Sequence[str] = ()
) -> Figure:
    """Draw both descents on the surface, and both loss curves.

    Args:
        what: The descents.
        paths: The same in a plane.
        surface: The loss over that plane; None where it cannot be had.
        notes: Sentences below.
    """
    figure = new_figure(13.33, 6.6)
    left = figure.add_axes((0.065, 0.15, 0.46, 0.655))
    right = figure.add_axes((0.6, 0.15, 0.375, 0.655))
    field = make_field(surface) if surface is not None and len(surface.v) > 1 else None
    if surface is not None and paths.plane.kind == "line":
        _draw_on_curve(left, paths, surface)
    else:
        _draw_paths(left, paths, field)
    if surface is not None and field is not None:
        _draw_minimum(left, surface)
    left.legend(
        loc="lower left",
        bbox_to_anchor=(-0.012, 1.0),
        ncols=3,
        frameon=False,
        fontsize=9.5,
        handletextpad=0.5,
        borderaxespad=0.2,
        labelcolor=INK,
    )
    _draw_losses(right, what)
    figure.text(0.065, 0.93, _title(what), fontsize=17, color=INK, weight="bold")
    figure.text(0.065, 0.885, _subtitle(what), fontsize=10.5, color=QUIET)
    figure.text(0.065, 0.03, "  ".join([what.proof, *notes]), fontsize=8.5, color=QUIET)
    return figure


def _title(what: WhatIf) -> str:
    changes = ", ".join(
        f"{name} = {value} instead of {what.originals.get(name, '?')}"
        for name, value in what.changes.items()
    )
    return f"What if {changes}?".replace("-", "−")


def _subtitle(what: WhatIf) -> str:
    steps, losses = len(what.changed.losses), what.changed.losses
    start = f"from step {what.first:,}, {steps:,} steps"
    if not len(losses) or not np.isfinite(losses[-1]):
        broken = int(np.argmin(np.isfinite(losses))) if len(losses) else 0
        return f"{start}: the loss is no finite number from the {broken + 1:,}th step on"
    end = f"loss {number(float(losses[-1]))}"
    if len(what.recorded.losses) == steps:
        end += f" instead of {number(float(what.recorded.losses[-1]))}"
    if losses[-1] > losses[0]:
        word = "it diverges" if losses[-1] > _DIVERGED * losses[0] > 0 else "it does not descend"
        return f"{start}: {word}, {end} in the last step"
    return f"{start}: {end} in the last step"


def _draw_paths(axes: Axes, paths: TwoPaths, field: Field | None) -> None:
    plain(axes, "")
    if field is not None:
        draw_field(axes, field)
    axes.set_xlim(*paths.window[:, 0])
    axes.set_ylim(*paths.window[:, 1])
    _draw_path(axes, paths.recorded, _RECORDED[0], "recorded path", order=6)
    name = "changed path, leaving the picture" if paths.left else "changed path"
    _draw_path(axes, paths.changed, _CHANGED[0], name, order=4, ends=not paths.left)
    _label(axes, *paths.plane.labels)


def _draw_on_curve(axes: Axes, paths: TwoPaths, surface: Surface) -> None:
    """Both paths on the loss over the only number there is."""
    plain(axes, "")
    axes.plot(surface.u, surface.loss[0], color=SURFACE(1.0), linewidth=2.5, label="the loss")
    both = ((paths.recorded, _RECORDED, "recorded path"), (paths.changed, _CHANGED, "changed path"))
    for order, (points, (colour, _), name) in enumerate(both, 4):
        inside = points[(points[:, 0] >= surface.u[0]) & (points[:, 0] <= surface.u[-1]), 0]
        heights = np.interp(inside, surface.u, surface.loss[0])
        _draw_path(axes, np.stack([inside, heights], axis=1), colour, name, order=order)
    _label(axes, paths.plane.labels[0], "loss")


def _label(axes: Axes, right: str, up: str) -> None:
    axes.set_xlabel(right, fontsize=10, color=INK)
    axes.set_ylabel(up, fontsize=10, color=INK)
    value_axis(axes.xaxis, 6)
    value_axis(axes.yaxis, 7)


def _draw_minimum(axes: Axes, surface: Surface) -> None:
    """The lowest point, where it is exactly known and in sight."""
    lowest = quadratic_minimum(surface)
    if lowest is None or not (
        surface.u[0] < lowest.u < surface.u[-1] and surface.v[0] < lowest.v < surface.v[-1]
    ):
        return
    axes.plot(
        lowest.u,
        lowest.v,
        "X",
        markersize=11,
        markerfacecolor="#ffd400",
        markeredgecolor=INK,
        markeredgewidth=1.3,
        linestyle="none",
        label="lowest point",
        zorder=5.5,
    )


def _draw_path(  # noqa: PLR0913  each says one thing of the line
    axes: Axes, points: Floats, colour: str, name: str, *, order: int, ends: bool = True
) -> None:
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return
    lengths = np.hypot(*np.diff(points, axis=0).T)
    apart = len(points) > 1 and bool(np.median(_seen(axes, points)) > _APART)
    far = len(points) > _MANY and bool(lengths.sum() > _TANGLED * np.hypot(*np.ptp(points, axis=0)))
    axes.plot(
        points[:, 0],
        points[:, 1],
        color=colour,
        linewidth=0.9 if far else 2,
        path_effects=[withStroke(linewidth=1.8 if far else 3.4, foreground="white")],
        label=name,
        zorder=order,
    )
    if apart:
        axes.plot(
            *points.T,
            "o",
            color=colour,
            markersize=4,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=order + 0.5,
        )
    for point, marker, size in ((points[0], "o", 9), (points[-1], "s", 8))[: 1 + ends]:
        axes.plot(
            point[:1],
            point[1:],
            marker,
            markersize=size,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=1.2,
            zorder=order + 1,
        )


def _seen(axes: Axes, points: Floats) -> Floats:
    """How far points are from one another as shares of the picture."""
    size = [high - low for low, high in (axes.get_xlim(), axes.get_ylim())]
    distances: Floats = np.hypot(*(np.diff(points, axis=0) / size).T)
    return distances


def _draw_losses(axes: Axes, what: WhatIf) -> None:
    curves = (what.recorded.losses, what.changed.losses)
    known = np.concatenate([losses[np.isfinite(losses)] for losses in curves])
    logarithmic = bool(len(known)) and float(known.min()) > 0
    plain(axes, "loss", "logarithmic" if logarithmic else "")
    if logarithmic:
        axes.set_yscale("log")
    longest = max(map(len, curves))
    for losses, (colour, dashes), name in zip(
        curves, (_RECORDED, _CHANGED), ("recorded", "changed"), strict=True
    ):
        axes.plot(
            np.arange(len(losses)), losses, color=colour, linestyle=dashes, linewidth=2, label=name
        )
    log_axis(axes.yaxis) if logarithmic else value_axis(axes.yaxis, 5)
    step_axis(axes, max(longest - 1, 1))
    axes.set_xlabel(f"step, from step {what.first:,} on", fontsize=9.5, color=INK, labelpad=3)
    axes.legend(loc="best", fontsize=9, frameon=False)
