"""Two descents on one surface: the recorded one, and what it would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from autograd_lens.analysis.plane import Plane, find_plane
from autograd_lens.render.plots.field import Field, make_field
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
from autograd_lens.trace.descent import Descent, WhatIf
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.surface import Surface

__all__ = ["TwoPaths", "two_paths", "whatif_figure"]

Floats = npt.NDArray[np.float64]

_BEYOND = 2.0  # how far outside of the recorded path's extent the other one is followed, in halves
_WHOLE = 15.0  # up to so many times the recorded extent, all of it is shown
_MARGIN = 0.12
_APART = 0.03  # of the path's extent: points that are nearer run together
_RECORDED, _CHANGED = CURVES[0], CURVES[1]


@dataclass(frozen=True, slots=True, eq=False)
class TwoPaths:
    """Both descents in one plane.

    Attributes:
        plane: The plane.
        recorded: u and v of the recorded points: (t, 2).
        changed: u and v of the others, as far as they stay in sight: (s, 2).
        window: Lowest and highest u and v that are drawn: (2, 2).
        left: Whether the changed path leaves the window.
    """

    plane: Plane
    recorded: Floats
    changed: Floats
    window: Floats
    left: bool


class _Joined:
    """The points of both descents as one run, for ``find_plane``."""

    def __init__(self, what: WhatIf) -> None:
        self._values = {
            name: np.concatenate([recorded, what.changed.values[name]])
            for name, recorded in what.recorded.values.items()
        }

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters."""
        return {
            name: Parameter(name, tuple(values.shape[1:]), str(values.dtype), "cpu")
            for name, values in self._values.items()
        }

    def parameter(self, name: str) -> _History:
        """One parameter's values."""
        return _History(self._values[name])


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    values: npt.NDArray[Any]

    @property
    def grads(self) -> npt.NDArray[Any]:
        """Not known here, and not needed."""
        return np.zeros_like(self.values[1:])


def two_paths(what: WhatIf, axes: str | None = None) -> TwoPaths:
    """Place both descents in a plane, and choose what of it is drawn.

    Args:
        what: The descents.
        axes: Two scalars by name; by default as for a single path.
    """
    # Directions are those of the recorded path where the other one goes out of all bounds.
    within = _within(what)
    plane = find_plane(_Joined(within), axes)
    count = len(next(iter(what.recorded.values.values())))
    recorded, changed = plane.path[:count], plane.path[count:]
    near = np.concatenate([recorded, changed[:2]])
    low, high = np.nanmin(near, axis=0), np.nanmax(near, axis=0)
    half = np.maximum((high - low) / 2, 1e-12)
    centre = (high + low) / 2
    bounds = half * (1 + _BEYOND) if _runs_away(recorded, changed) else np.inf
    with np.errstate(invalid="ignore"):
        inside = (np.abs(changed - centre) <= bounds).all(axis=1)
    seen = int(np.argmin(inside)) if not inside.all() else len(inside)
    shown = np.concatenate([near, changed[:seen]])
    low, high = np.nanmin(shown, axis=0), np.nanmax(shown, axis=0)
    margin = np.maximum((high - low) * _MARGIN, 1e-9)
    left = seen < len(inside) or _length(within) < _length(what)
    return TwoPaths(
        plane, recorded, changed[: seen + 1], np.array([low - margin, high + margin]), left
    )


def _runs_away(recorded: Floats, changed: Floats) -> bool:
    """Whether the changed path is so long that the recorded one would be a dot beside it."""
    extent, other = np.ptp(recorded, axis=0), np.ptp(changed, axis=0)
    return not bool(np.hypot(*other) <= _WHOLE * np.hypot(*extent))


def _within(what: WhatIf) -> WhatIf:
    """Both descents, the changed one cut where it is no longer finite."""
    finite = np.all(
        [
            np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            for values in what.changed.values.values()
        ],
        axis=0,
    )
    end = int(np.argmin(finite)) if not finite.all() else len(finite)
    values = {name: rows[: max(end, 1)] for name, rows in what.changed.values.items()}
    cut = Descent(values, what.changed.losses[: max(end - 1, 0)])
    return WhatIf(what.first, what.recorded, cut, what.changes, what.originals, what.proof)


def _length(what: WhatIf) -> int:
    return len(next(iter(what.changed.values.values())))


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
    left = figure.add_axes((0.065, 0.15, 0.46, 0.68))
    right = figure.add_axes((0.6, 0.15, 0.375, 0.68))
    field = make_field(surface) if surface is not None and len(surface.v) > 1 else None
    _draw_paths(left, paths, field)
    _draw_losses(right, what)
    figure.text(0.065, 0.925, _title(what), fontsize=17, color=INK, weight="bold")
    figure.text(0.065, 0.88, _subtitle(what), fontsize=10.5, color=QUIET)
    figure.text(0.065, 0.03, "  ".join([what.proof, *notes]), fontsize=8.5, color=QUIET)
    return figure


def _title(what: WhatIf) -> str:
    changes = ", ".join(
        f"{name} = {value} instead of {what.originals.get(name, '?')}"
        for name, value in what.changes.items()
    )
    return f"What if {changes}?"


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
        return f"{start}: it does not descend, {end} in the last step"
    return f"{start}: {end} in the last step"


def _draw_paths(axes: Axes, paths: TwoPaths, field: Field | None) -> None:
    plain(axes, "the loss, and both paths")
    if field is not None:
        axes.contourf(field.u, field.v, field.height, field.levels, cmap=SURFACE)
        axes.contour(
            field.u,
            field.v,
            field.height,
            field.levels,
            colors="white",
            linewidths=0.5,
            linestyles="solid",
            alpha=0.8,
        )
        axes.grid(visible=False)
    _draw_path(axes, paths.recorded, _RECORDED[0], "recorded", 6)
    name = "changed, leaving the picture" if paths.left else "changed"
    _draw_path(axes, paths.changed, _CHANGED[0], name, 4)
    axes.set_xlim(*paths.window[:, 0])
    axes.set_ylim(*paths.window[:, 1])
    axes.set_xlabel(paths.plane.labels[0], fontsize=10, color=INK)
    axes.set_ylabel(paths.plane.labels[1], fontsize=10, color=INK)
    value_axis(axes.xaxis, 6)
    value_axis(axes.yaxis, 7)
    axes.legend(loc="best", fontsize=9, frameon=True, framealpha=0.9, edgecolor="none")


def _draw_path(axes: Axes, points: Floats, colour: str, name: str, order: int) -> None:
    lengths = np.hypot(*np.diff(points, axis=0).T)
    apart = len(points) > 1 and bool(
        np.median(lengths) > _APART * np.hypot(*np.ptp(points, axis=0))
    )
    axes.plot(
        points[:, 0],
        points[:, 1],
        color=colour,
        linewidth=1.6,
        marker="o" if apart else "",
        markersize=3,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        label=name,
        zorder=order,
    )
    for point, marker, size in ((points[0], "o", 9), (points[-1], "s", 8)):
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
