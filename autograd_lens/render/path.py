"""The descent path of a run: on the loss surface, and step by step."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from autograd_lens.analysis.plane import Plane, Run
from autograd_lens.analysis.quadratic import Minimum, quadratic_minimum
from autograd_lens.render.plots.curves import (
    Curve,
    draw_curves,
    draw_loss,
    parameter_curves,
)
from autograd_lens.render.plots.field import make_field
from autograd_lens.render.plots.journey import Journey, make_journey
from autograd_lens.render.plots.marks import draw_step_colours
from autograd_lens.render.plots.plan import draw_line, draw_plan
from autograd_lens.render.plots.relief import draw_relief
from autograd_lens.render.plots.style import INK, QUIET, figure_bytes, new_figure, number
from autograd_lens.trace.surface import Surface

__all__ = ["PathOptions", "PathRun", "figure_bytes", "path_figure"]

Floats = npt.NDArray[np.float64]

_NO_SURFACE = "The loss surface is not drawn: it was not recorded and could not be computed."


class PathRun(Run, Protocol):
    """What is needed of a trace."""

    @property
    def info(self) -> Any:  # noqa: ANN401  RunInfo, or what stands in for it
        """The run as a whole; its ``program`` is read."""

    @property
    def losses(self) -> Floats:
        """The loss of each step, NaN where it has none: (steps,)."""


@dataclass(frozen=True, slots=True)
class PathOptions:
    """How the figure is drawn.

    Attributes:
        title: Its title; by default the program, the number of steps, and the losses.
        log: Whether losses on the surface are scaled logarithmically; None to let the range
            of the losses decide.
        missing: Why there is no surface, one sentence; used where there is none.
        rates: What is known of learning rates, one sentence, or ``""``.
        width: Inches.
        height: Inches.
    """

    title: str = ""
    log: bool | None = None
    missing: str = _NO_SURFACE
    rates: str = ""
    width: float = 13.33
    height: float = 7.5


def path_figure(
    trace: PathRun, plane: Plane, surface: Surface | None, options: PathOptions | None = None
) -> Figure:
    """Draw the path of a run.

    Args:
        trace: The run.
        plane: What its path is drawn on.
        surface: The loss over that plane; None where it cannot be had.
        options: How to draw it.

    Returns:
        A figure of its own: no window, no global state.
    """
    options = options or PathOptions()
    figure = new_figure(options.width, options.height)
    losses = np.asarray(trace.losses, np.float64)
    minimum = quadratic_minimum(surface) if surface is not None else None
    minimum = minimum if surface is None or _is_seen(minimum, surface) else None
    field = None
    if surface is not None and plane.kind != "line":
        field = make_field(surface, log=options.log)
    journey = make_journey(plane, field, minimum, losses)
    if plane.kind == "line":
        _draw_line(figure, journey, surface)
    else:
        _draw_plane(figure, journey)
    _draw_steps(figure, trace, plane, minimum, losses)
    notes = _notes(plane, surface, journey, options)
    _write(figure, options.title or _title(trace, losses), options.rates, notes)
    return figure


def _is_seen(minimum: Minimum | None, surface: Surface) -> bool:
    if minimum is None:
        return False
    inside = surface.u[0] <= minimum.u <= surface.u[-1]
    return bool(inside and (len(surface.v) == 1 or surface.v[0] <= minimum.v <= surface.v[-1]))


def _draw_plane(figure: Figure, journey: Journey) -> None:
    plan = figure.add_axes((0.07, 0.475, 0.378, 0.405))
    colours = figure.add_axes((0.4575, 0.475, 0.0085, 0.375))
    draw_plan(figure, plan, journey, colours)
    relief = figure.add_axes((0.535, 0.45, 0.385, 0.47), projection="3d")
    draw_relief(relief, journey)
    draw_step_colours(figure, figure.add_axes((0.936, 0.475, 0.0085, 0.375)), journey)


def _draw_line(figure: Figure, journey: Journey, surface: Surface | None) -> None:
    axes = figure.add_axes((0.07, 0.475, 0.842, 0.405))
    draw_line(axes, journey, surface)
    draw_step_colours(figure, figure.add_axes((0.936, 0.475, 0.0085, 0.375)), journey)


def _draw_steps(
    figure: Figure, trace: PathRun, plane: Plane, minimum: Minimum | None, losses: Floats
) -> None:
    """The three panels below: loss, parameters, gradients."""
    boxes = [(left, 0.105, 0.212, 0.24) for left in (0.07, 0.34, 0.682)]
    loss, parameters, gradients = (figure.add_axes(box) for box in boxes)
    draw_loss(loss, losses)
    what, values, grads = parameter_curves(trace)
    values = _as_far_as(plane, values)
    marks: Sequence[float] = ()
    if minimum is not None and plane.kind in {"line", "parameters"}:
        marks = (minimum.u, minimum.v)[: len(values)]
    note = "" if what == "each" else what
    draw_curves(parameters, values, title="parameters", note=note, marks=marks)
    draw_curves(gradients, grads, title="gradients", note=note or "absolute value", log=True)


def _as_far_as(plane: Plane, curves: Sequence[Curve]) -> list[Curve]:
    """Curves that end where the path does: what runs away would leave no room for the rest."""
    drawn = np.flatnonzero(np.isfinite(plane.path).all(axis=1))
    if not len(drawn):
        return list(curves)
    inside = np.arange(len(plane.path)) <= drawn[-1]
    return [replace(one, values=np.where(inside, one.values, np.nan)) for one in curves]


def _title(trace: PathRun, losses: Floats) -> str:
    name = PurePath(str(trace.info.program)).name
    steps = "1 step" if len(losses) == 1 else f"{len(losses):,} steps"
    known = losses[np.isfinite(losses)]
    if not len(known):
        return f"{name}: {steps}"
    first, last = (number(float(loss)) for loss in known[[0, -1]])
    return f"{name}: {steps}, loss {first}" + (f" → {last}" if len(known) > 1 else "")


def _notes(
    plane: Plane, surface: Surface | None, journey: Journey, options: PathOptions
) -> list[str]:
    notes = []
    if surface is None:
        notes.append(options.missing)
    elif surface.provenance:
        notes.append(f"Surface: {surface.provenance[0].lower()}{surface.provenance[1:]}")
    if journey.field is not None and journey.field.holes:
        notes.append("Where the loss is not finite, the surface has a hole.")
    return [*notes, *plane.notes]


def _write(figure: Figure, title: str, below: str, notes: list[str]) -> None:
    figure.text(0.07, 0.955, title, fontsize=15, color=INK, weight="bold", va="center")
    figure.text(0.07, 0.922, below, fontsize=9.5, color=QUIET, va="center")
    lines = textwrap.wrap(" ".join(notes), 210)
    figure.text(0.07, 0.008, "\n".join(lines[:2]), fontsize=7.6, color=QUIET, va="bottom")
