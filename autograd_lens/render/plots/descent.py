"""The path of a run on its loss surface: from above, on a line, and in relief.

Axis letters: t points of the path (steps + 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from autograd_lens.analysis.plane import Plane
from autograd_lens.analysis.quadratic import Minimum
from autograd_lens.render.plots.field import Field, draw_field, loss_text, loss_ticks
from autograd_lens.render.plots.style import (
    INK,
    PATH,
    SURFACE,
    number,
    plain,
    thin_path,
    value_axis,
)
from autograd_lens.trace.kept import Surface
from autograd_lens.trace.values import Floats

__all__ = ["Journey", "draw_line", "draw_plan", "draw_relief", "draw_step_colours", "make_journey"]

Axes3D = Any  # mpl_toolkits has no types

_MARKS = {  # shape, size, filling, edge, order
    "optimum": ("X", 11, "#ffd400", 1.3, 6),
    "start": ("o", 9, "white", 2, 7),
    "end": ("s", 8, INK, 0, 8),
}
_RELIEF_POINTS = 60
_ASLANT = 28.0  # degrees
_LIFT = 0.012  # of the height: the path floats a little above the surface


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """A path that is ready to be drawn.

    Attributes:
        plane: The plane.
        field: The surface, or None.
        minimum: The lowest point where it is exactly known, or None.
        points: u and v of the points that are drawn, NaN in gaps: (t, 2).
        steps: Which points of the run they are, 0 before the first step: (t,).
        heights: Their heights on the scale of the surface, else their losses: (t,).
        norm: From point of the run (counted from 1) to colour.
        last: Number of the last point of the run.
    """

    plane: Plane
    field: Field | None
    minimum: Minimum | None
    points: Floats
    steps: npt.NDArray[np.intp]
    heights: Floats
    norm: Normalize
    last: int

    @property
    def is_log(self) -> bool:
        """Whether colours count steps in powers of ten."""
        return isinstance(self.norm, LogNorm)

    def place(self, point: tuple[float, float] | Floats) -> str:
        """Coordinates for the legend: empty along directions, where they say nothing."""
        if self.plane.kind == "directions":
            return ""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        tiny = 1e-9 * (high - low)
        u, v = (number(float(x) if abs(x) > t else 0.0) for x, t in zip(point, tiny, strict=True))
        return u if self.plane.kind == "line" else f"({u}, {v})"


def make_journey(
    plane: Plane, field: Field | None, minimum: Minimum | None, losses: Floats
) -> Journey:
    """Choose what is drawn of a path.

    Args:
        plane: The plane with the path.
        field: The surface, or None.
        minimum: Its lowest point, or None.
        losses: The loss of each step: (t - 1,).
    """
    chosen = thin_path(_looks(plane.path))
    points = plane.path[chosen]
    if field is not None and plane.kind != "line":
        heights = field.along(points)
    else:
        heights = np.concatenate([losses, [np.nan]])[np.minimum(chosen, len(losses))]
    last = len(plane.path) - 1
    front = _is_over_early(plane.path)
    norm = LogNorm(1, last + 1) if front else Normalize(1, max(last + 1, 2))
    return Journey(plane, field, minimum, points, chosen, heights, norm, last)


def _looks(path: Floats) -> Floats:
    """The path in units of its own extent, in which distances look alike."""
    finite = path[np.isfinite(path).all(axis=1)]
    spans = np.ptp(finite, axis=0) if len(finite) else np.ones(2)
    return path / np.where(spans > 0, spans, 1.0)


def _is_over_early(path: Floats) -> bool:
    """Whether half of the way is behind after a tenth of the steps."""
    if len(path) < 30:  # a short run has colours enough
        return False
    lengths = np.nan_to_num(np.linalg.norm(np.diff(_looks(path), axis=0), axis=1))
    return bool(lengths[: len(lengths) // 10].sum() > lengths.sum() / 2)


# -- in two and in three dimensions alike ----------------------------------------------------


def draw_step_colours(figure: Figure, axes: Axes, journey: Journey) -> None:
    """What the colours of the path say."""
    bar = figure.colorbar(ScalarMappable(journey.norm, PATH), cax=axes)
    ticks = _step_ticks(journey)
    bar.set_ticks([tick + 1 for tick in ticks], labels=[f"{tick:,}" for tick in ticks])
    bar.minorticks_off()
    axes.tick_params(labelsize=8.5, color="#9aa3ab", labelcolor=INK, length=2)
    axes.set_title("step", fontsize=9, color=INK, pad=5)
    axes.spines[:].set_visible(False)


def _step_ticks(journey: Journey) -> list[int]:
    last = max(journey.last, 1)
    if journey.is_log:
        powers = [0, *(10**k for k in range(int(np.log10(last)) + 1))]
        return [*(p for p in powers if p < last / 3), last]
    inner = [
        int(t) for t in MaxNLocator(5, integer=True).tick_values(0, last) if 0 <= t < last * 0.9
    ]
    return [*inner, last]


def _segments(points: Floats, journey: Journey) -> tuple[Floats, Floats]:
    """Line pieces between neighbouring points that are both finite, and their colours."""
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    there = _finite(points)[:-1] & _finite(points)[1:]
    middle = (journey.steps[:-1] + journey.steps[1:]) / 2 + 1
    return pieces[there], middle[there]


def _finite(points: Floats) -> npt.NDArray[np.bool_]:
    """Which points have all coordinates."""
    return np.logical_and.reduce(np.isfinite(points), axis=1)  # type: ignore[no-any-return]


def _mark(axes: Axes | Axes3D, place: Floats, what: str, label: str = "") -> None:
    """One marker, in two or three dimensions."""
    shape, size, fill, edge, order = _MARKS[what]
    axes.plot(
        *place[:, None],
        marker=shape,
        markersize=size,
        markerfacecolor=fill,
        markeredgecolor=INK,
        markeredgewidth=edge,
        linestyle="none",
        label=label,
        zorder=order,
    )


def _optimum_name(journey: Journey) -> str:
    """What the lowest point is called."""
    whole = journey.plane.kind in {"line", "parameters"}
    return "least-squares optimum" if whole else "lowest point of this plane"


# -- from above, and on a line ---------------------------------------------------------------


def draw_plan(figure: Figure, axes: Axes, journey: Journey, colours: Axes) -> None:
    """The surface from above as filled contours, and the path on it."""
    plain(axes, "")
    field = journey.field
    if field is not None:
        axes.set_facecolor("#f3e3d3" if field.holes else "white")
        figure.colorbar(draw_field(axes, field), cax=colours)
        _loss_scale(colours, field)
    else:
        colours.set_axis_off()
        axes.margins(0.12)
    _coloured_path(axes, journey, journey.points)
    _marks(axes, journey, journey.points)
    for side in ("top", "right"):
        axes.spines[side].set_visible(field is not None)
        axes.spines[side].set_color("#9aa3ab")
    axes.set_xlabel(journey.plane.labels[0], fontsize=10, color=INK)
    axes.set_ylabel(journey.plane.labels[1], fontsize=10, color=INK)
    value_axis(axes.xaxis, 6)
    value_axis(axes.yaxis, 7)
    _legend(axes)


def draw_line(axes: Axes, journey: Journey, surface: Surface | None) -> None:
    """The loss over the only number there is, and the path on it."""
    plain(axes, "")
    points = np.stack([journey.points[:, 0], journey.heights], axis=1)
    if surface is not None:
        # No step tells the loss at the end of the path; the curve does.
        last = np.isnan(points[:, 1])
        points[last, 1] = np.interp(points[last, 0], surface.u, surface.loss[0])
        axes.plot(
            surface.u, surface.loss[0], color=SURFACE(1.0), linewidth=2.5, label="loss", zorder=1
        )
    _coloured_path(axes, journey, points)
    _marks(axes, journey, points)
    axes.margins(0.06)
    axes.set_xlabel(journey.plane.labels[0], fontsize=10, color=INK)
    axes.set_ylabel("loss", fontsize=10, color=INK)
    value_axis(axes.xaxis, 9)
    _legend(axes)


def _loss_scale(axes: Axes, field: Field) -> None:
    axes.tick_params(labelsize=8.5, color="#9aa3ab", labelcolor=INK, length=2)
    axes.set_title("loss", fontsize=9, color=INK, pad=5)
    axes.yaxis.set_major_locator(FixedLocator(loss_ticks(field)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: loss_text(field, height)))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _coloured_path(axes: Axes, journey: Journey, points: Floats) -> None:
    pieces, colours = _segments(points, journey)
    whole = np.where(_finite(points)[:, None], points, np.nan)
    axes.plot(*whole.T, color="white", linewidth=4.4, solid_capstyle="round", zorder=3)
    lines = LineCollection(
        list(pieces),
        cmap=PATH,
        norm=journey.norm,
        linewidths=2.4,
        zorder=4,
        capstyle="round",
    )
    lines.set_array(colours)
    axes.add_collection(lines)
    if journey.last <= 60:  # few enough to tell apart
        shades = PATH(journey.norm(journey.steps + 1.0))
        x, y = points.T
        axes.scatter(x, y, 14, shades, edgecolors="white", linewidths=0.6, zorder=5)


def _marks(axes: Axes, journey: Journey, points: Floats) -> None:
    line = journey.plane.kind == "line"
    drawn = np.flatnonzero(_finite(points))
    if len(drawn):
        start, end = drawn[0], drawn[-1]
        _mark(axes, points[start], "start", f"start {journey.place(journey.points[start])}")
    if len(drawn) > 1:
        steps = int(journey.steps[end])
        passed = "1 step" if steps == 1 else f"{steps:,} steps"
        _mark(axes, points[end], "end", f"after {passed} {journey.place(journey.points[end])}")
    if journey.minimum is not None:
        place = np.array([journey.minimum.u, journey.minimum.loss if line else journey.minimum.v])
        shown = journey.place((journey.minimum.u, journey.minimum.v))
        _mark(axes, place, "optimum", f"{_optimum_name(journey)} {shown}")


def _legend(axes: Axes) -> None:
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.012, 1.0),
        ncols=4,
        frameon=False,
        fontsize=8.8,
        handletextpad=0.25,
        columnspacing=1.1,
        borderaxespad=0.2,
        borderpad=0.1,
        labelcolor=INK,
    )


# -- in relief -------------------------------------------------------------------------------


def draw_relief(axes: Axes3D, journey: Journey) -> None:
    """The same in three dimensions; without a surface the path at the height of its loss."""
    axes.computed_zorder = False  # the path is always drawn over the surface
    field = journey.field
    heights = journey.heights
    if field is not None:
        _relief(axes, field)
        lift = _LIFT * float(np.ptp(field.levels))
        heights = heights + lift
        axes.set_zlim(field.levels[0], field.levels[-1] + 2 * lift)
        _height_ticks(axes, field)
    points = np.column_stack([journey.points, heights])
    _coloured_path_3d(axes, journey, points)
    _marks_3d(axes, journey, points)
    _frame(axes, journey)


def _coloured_path_3d(axes: Axes3D, journey: Journey, points: Floats) -> None:
    pieces, colours = _segments(points, journey)
    if not len(pieces):
        return
    for width, colour in ((4.2, "white"), (2.4, None)):
        lines = Line3DCollection(pieces, linewidths=width, colors=colour, capstyle="round")
        if colour is None:
            lines.set(array=colours, cmap=PATH, norm=journey.norm)
        axes.add_collection3d(lines, autolim=journey.field is None)


def _relief(axes: Axes3D, field: Field) -> None:
    every = (max(1, -(-len(field.v) // _RELIEF_POINTS)), max(1, -(-len(field.u) // _RELIEF_POINTS)))
    u, v = np.meshgrid(field.u[:: every[1]], field.v[:: every[0]])
    axes.plot_surface(
        u,
        v,
        field.height[:: every[0], :: every[1]],
        rcount=_RELIEF_POINTS + 5,
        ccount=_RELIEF_POINTS + 5,
        cmap=SURFACE,
        vmin=field.levels[0],
        vmax=field.levels[-1],
        linewidth=0.15,
        edgecolor="#7f93a8",
        antialiased=True,
        shade=False,
        zorder=1,
    )


def _height_ticks(axes: Axes3D, field: Field) -> None:
    axes.zaxis.set_major_locator(FixedLocator(loss_ticks(field)))
    axes.zaxis.set_major_formatter(FuncFormatter(lambda height, _: loss_text(field, height)))


def _marks_3d(axes: Axes3D, journey: Journey, points: Floats) -> None:
    if journey.minimum is not None and journey.field is not None:
        place = np.array([[journey.minimum.u, journey.minimum.v]])
        _mark(axes, np.append(place[0], journey.field.along(place)), "optimum")
    drawn = points[_finite(points)]
    if len(drawn):
        _mark(axes, drawn[0], "start")
    if len(drawn) > 1:
        _mark(axes, drawn[-1], "end")


def _frame(axes: Axes3D, journey: Journey) -> None:
    """Few ticks, quiet panes, and a view in which a valley is seen into."""
    axes.view_init(elev=32, azim=_azimuth(journey))
    axes.set_box_aspect((4, 4, 2.9), zoom=1.1)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set_color("#9aa3ab")
        axis._axinfo["grid"].update(color="#e4e8eb", linewidth=0.6)  # noqa: SLF001  no other door
    value_axis(axes.xaxis, 4)
    value_axis(axes.yaxis, 4)
    axes.tick_params(labelsize=8, labelcolor=INK, pad=0)
    first, second = (label.partition(" of the path")[0] for label in journey.plane.labels)
    axes.set_xlabel(first.partition(" (")[0], fontsize=9, color=INK, labelpad=1)
    axes.set_ylabel(second.partition(" (")[0], fontsize=9, color=INK, labelpad=1)
    axes.set_zlabel("loss", fontsize=9, color=INK, labelpad=1)


def _azimuth(journey: Journey) -> float:
    """From where to look, in degrees: the path comes towards the reader, downhill and aslant."""
    drawn = journey.points[_finite(journey.points)]
    if not len(drawn):
        return -60.0
    spans = np.ptp(drawn, axis=0)
    along = (drawn[-1] - drawn[0]) / np.where(spans > 0, spans, 1.0)
    return float(np.degrees(np.arctan2(along[1], along[0]))) + _ASLANT
