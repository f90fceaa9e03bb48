"""The path on the loss surface in relief."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FixedLocator, FuncFormatter
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from autograd_lens.render.plots.field import Field, loss_text, loss_ticks
from autograd_lens.render.plots.journey import Journey
from autograd_lens.render.plots.marks import finite, mark, segments
from autograd_lens.render.plots.style import INK, PATH, SURFACE, value_axis

__all__ = ["draw_relief"]

Floats = npt.NDArray[np.float64]
Axes3D = Any  # mpl_toolkits has no types

_RELIEF_POINTS = 60
_ASLANT = 28.0  # degrees
_LIFT = 0.012  # of the height: the path floats a little above the surface


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
    pieces, colours = segments(points, journey)
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
        mark(axes, np.append(place[0], journey.field.along(place)), "optimum")
    drawn = points[finite(points)]
    if len(drawn):
        mark(axes, drawn[0], "start")
    if len(drawn) > 1:
        mark(axes, drawn[-1], "end")


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
    drawn = journey.points[finite(journey.points)]
    if not len(drawn):
        return -60.0
    spans = np.ptp(drawn, axis=0)
    along = (drawn[-1] - drawn[0]) / np.where(spans > 0, spans, 1.0)
    return float(np.degrees(np.arctan2(along[1], along[0]))) + _ASLANT
