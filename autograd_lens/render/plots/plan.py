"""The path on the loss surface from above, and on a line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from autograd_lens.render.plots.field import Field, loss_text, loss_ticks
from autograd_lens.render.plots.journey import Journey
from autograd_lens.render.plots.marks import finite, mark, optimum_name, segments
from autograd_lens.render.plots.style import INK, PATH, SURFACE, plain, value_axis
from autograd_lens.trace.surface import Surface

__all__ = ["draw_field", "draw_line", "draw_plan"]

Floats = npt.NDArray[np.float64]


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


def draw_field(axes: Axes, field: Field) -> ContourSet:
    """Filled contours, with fine lines between them."""
    filled = axes.contourf(field.u, field.v, field.height, field.levels, cmap=SURFACE)
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
    return filled


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
    pieces, colours = segments(points, journey)
    whole = np.where(finite(points)[:, None], points, np.nan)
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
    if journey.last <= 60:  # noqa: PLR2004  few enough to tell apart
        shades = PATH(journey.norm(journey.steps + 1.0))
        x, y = points.T
        axes.scatter(x, y, 14, shades, edgecolors="white", linewidths=0.6, zorder=5)


def _marks(axes: Axes, journey: Journey, points: Floats) -> None:
    line = journey.plane.kind == "line"
    drawn = np.flatnonzero(finite(points))
    if len(drawn):
        start, end = drawn[0], drawn[-1]
        mark(axes, points[start], "start", f"start {journey.place(journey.points[start])}")
    if len(drawn) > 1:
        steps = int(journey.steps[end])
        passed = "1 step" if steps == 1 else f"{steps:,} steps"
        mark(axes, points[end], "end", f"after {passed} {journey.place(journey.points[end])}")
    if journey.minimum is not None:
        place = np.array([journey.minimum.u, journey.minimum.loss if line else journey.minimum.v])
        shown = journey.place((journey.minimum.u, journey.minimum.v))
        mark(axes, place, "optimum", f"{optimum_name(journey)} {shown}")


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
