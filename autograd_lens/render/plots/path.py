"""The descent path of a run: on the loss surface, and step by step.

Axis letters: t steps or points, c curves.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd_lens.analysis.plane import Plane
from autograd_lens.analysis.quadratic import Minimum, quadratic_minimum
from autograd_lens.render.layout import short_names
from autograd_lens.render.plots.descent import (
    Journey,
    draw_line,
    draw_plan,
    draw_relief,
    draw_step_colours,
    make_journey,
)
from autograd_lens.render.plots.field import make_field
from autograd_lens.render.plots.style import (
    CURVES,
    INK,
    QUIET,
    Dashes,
    envelope,
    figure_bytes,
    log_axis,
    new_figure,
    number,
    plain,
    step_axis,
    value_axis,
)
from autograd_lens.trace.kept import Surface
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import all_scalars
from autograd_lens.trace.values import Array, Floats

__all__ = ["PathOptions", "figure_bytes", "path_figure"]

_NO_SURFACE = "The loss surface is not drawn: it was not recorded and could not be computed."
_LETTERS = 125  # of a line below the title, before it is written smaller
_SEEN_SINGLY = 20  # points
_NAME, _WIDE = 20, 16  # letters beside a curve: the most, and the most that have size 9
_APART = 11.0  # points between the names of two curves
_BROKEN = "#b3261e"


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
    trace: Trace, plane: Plane, surface: Surface | None, options: PathOptions | None = None
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
    figure: Figure, trace: Trace, plane: Plane, minimum: Minimum | None, losses: Floats
) -> None:
    """The three panels below: loss, parameters, gradients."""
    boxes = [(left, 0.105, 0.2, 0.24) for left in (0.07, 0.325, 0.68)]
    loss, parameters, gradients = (figure.add_axes(box) for box in boxes)
    _draw_loss(loss, losses)
    what, values, grads = _parameter_curves(trace)
    values = _as_far_as(plane, values)
    marks: Sequence[float] = ()
    if minimum is not None and plane.kind in {"line", "parameters"}:
        marks = (minimum.u, minimum.v)[: len(values)]
    note = "" if what == "each" else what
    _draw_curves(parameters, values, title="parameters", note=note, marks=marks)
    _draw_curves(gradients, grads, title="gradients", note=note or "absolute value", log=True)


def _as_far_as(plane: Plane, curves: Sequence[_Curve]) -> list[_Curve]:
    """Curves that end where the path does: what runs away would leave no room for the rest."""
    drawn = np.flatnonzero(np.isfinite(plane.path).all(axis=1))
    if not len(drawn):
        return list(curves)
    inside = np.arange(len(plane.path)) <= drawn[-1]
    return [replace(one, values=np.where(inside, one.values, np.nan)) for one in curves]


def _title(trace: Trace, losses: Floats) -> str:
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
    size = 9.5 * min(1, _LETTERS / max(len(below), 1))
    figure.text(0.07, 0.922, below, fontsize=size, color=QUIET, va="center")
    lines = textwrap.wrap(" ".join(notes), 210)
    figure.text(0.07, 0.008, "\n".join(lines[:2]), fontsize=7.6, color=QUIET, va="bottom")


# -- what happens over the steps -------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """One line over the steps.

    Attributes:
        name: What is written at its end.
        values: (t,), NaN in gaps.
    """

    name: str
    values: Floats


def _parameter_curves(trace: Trace) -> tuple[str, list[_Curve], list[_Curve]]:
    """What to draw of the parameters and of their gradients.

    Every number has its curve where there are few of them; else every parameter is one curve,
    its length, and of many parameters those that move most are shown.

    Returns:
        What the curves are, the curves of the parameters (steps + 1 points each), and those
        of the gradients (steps points each).
    """
    shapes = {name: parameter.shape for name, parameter in trace.parameters.items()}
    if sum(map(math.prod, shapes.values())) <= len(CURVES) - 2:
        return "each", *_each(trace, shapes)
    values = {name: _length(trace.parameter(name).values) for name in shapes}
    moving = sorted(values, key=lambda name: -_extent(values[name]))[: len(CURVES) - 2]
    shown = [name for name in shapes if name in moving]
    grads = {name: _length(trace.parameter(name).grads) for name in shown}
    what = (
        "length of each" if len(shown) == len(shapes) else f"length, {len(shown)} of {len(shapes)}"
    )
    return (
        what,
        [_Curve(name, values[name]) for name in shown],
        [_Curve(name, grads[name]) for name in shown],
    )


def _each(trace: Trace, shapes: dict[str, tuple[int, ...]]) -> tuple[list[_Curve], list[_Curve]]:
    values, grads = [], []
    for scalar in all_scalars(shapes, len(CURVES)):
        history = trace.parameter(scalar.parameter)
        values.append(_Curve(scalar.label, _element(history.values, scalar.flat)))
        grads.append(_Curve(scalar.label, np.abs(_element(history.grads, scalar.flat))))
    return values, grads


def _flat(values: Array) -> Array:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _element(values: Array, position: int) -> Floats:
    return _flat(values)[:, position].astype(np.float64)


def _length(values: Array) -> Floats:
    """The Euclidean norm of a parameter at each point: (t,)."""
    flat = np.abs(_flat(values))
    with np.errstate(over="ignore", invalid="ignore"):
        squares: Floats = np.einsum("tc,tc->t", flat, flat, dtype=np.float64)
    return np.sqrt(squares)


def _extent(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.ptp(finite)) if len(finite) else 0.0


def _draw_loss(axes: Axes, losses: Floats) -> None:
    """The loss of each step, on a logarithmic scale where it is positive."""
    known = losses[np.isfinite(losses)]
    logarithmic = bool(len(known)) and float(known.min()) > 0
    plain(axes, "loss", "logarithmic" if logarithmic else "")
    if logarithmic:
        axes.set_yscale("log")
    _draw(axes, _Curve("", losses), INK, "-")
    log_axis(axes.yaxis) if logarithmic else value_axis(axes.yaxis, 5)
    step_axis(axes, len(losses))
    broken = np.flatnonzero(~np.isfinite(losses))
    if len(broken):
        axes.axvline(float(broken[0]), color=_BROKEN, linewidth=1.2, linestyle="--")
        text = f"no finite loss at step {broken[0]:,}"
        left = broken[0] < len(losses) / 2
        axes.annotate(
            text,
            (float(broken[0]), 0.95),
            xycoords=axes.get_xaxis_transform(),
            fontsize=8.5,
            color=_BROKEN,
            ha="left" if left else "right",
            va="top",
            xytext=(4 if left else -4, 0),
            textcoords="offset points",
        )


def _draw_curves(  # noqa: PLR0913  each says one thing of the panel
    axes: Axes,
    curves: Sequence[_Curve],
    *,
    title: str,
    note: str = "",
    log: bool = False,
    marks: Sequence[float] = (),
) -> None:
    """Several curves, each with its name at its end.

    Args:
        axes: Where to draw.
        curves: The curves.
        title: What they are.
        note: What else is to be known.
        log: Whether to scale logarithmically, where anything is above 0.
        marks: A height for each curve to draw a dotted line at, or none.
    """
    scaled = log and any((curve.values > 0).any() for curve in curves)
    plain(axes, title, f"{note}, logarithmic" if scaled else note)
    if scaled:
        axes.set_yscale("log")
    width = 1.7 if len(curves) <= 3 else 1.2  # more of them overlap
    for curve, (colour, dashes) in zip(curves, CURVES, strict=False):
        values = np.where(curve.values > 0, curve.values, np.nan) if scaled else curve.values
        _draw(axes, _Curve(curve.name, values), colour, dashes, width)
    for height, (colour, _) in zip(marks, CURVES, strict=False):
        axes.axhline(height, color=colour, linewidth=0.9, linestyle=":", zorder=1)
    log_axis(axes.yaxis) if scaled else value_axis(axes.yaxis, 5)
    step_axis(axes, max((len(curve.values) for curve in curves), default=1) - (not log))
    _name_ends(axes, curves)


def _draw(axes: Axes, curve: _Curve, colour: str, dashes: Dashes, width: float = 1.7) -> None:
    values = np.where(np.isfinite(curve.values), curve.values, np.nan)
    brief = envelope(values)
    if brief is not None:
        axes.fill_between(brief.x, brief.low, brief.high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(brief.x, brief.middle, color=colour, linestyle=dashes, linewidth=width)
        return
    marker = "o" if len(values) <= _SEEN_SINGLY else ""
    axes.plot(
        values, color=colour, linestyle=dashes, linewidth=width, marker=marker, markersize=3.5
    )


def _name_ends(axes: Axes, curves: Sequence[_Curve]) -> None:
    """Write each curve's name beside its end, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = []
    for curve, (colour, _) in zip(curves, CURVES, strict=False):
        finite = curve.values[np.isfinite(curve.values) & (curve.values >= low)]
        if len(finite):
            ends.append((float(np.clip(finite[-1], low, high)), curve.name, colour))
    to_points = 72 / axes.figure.dpi
    places = [axes.transData.transform((0, height))[1] * to_points for height, *_ in ends]
    bottom, top = (axes.transAxes.transform((0, y))[1] * to_points for y in (0, 1))
    names = short_names([name for _, name, _ in ends], _NAME)
    size = 9 if max(map(len, names), default=0) <= _WIDE else 8
    for (*_, colour), name, place in zip(ends, names, _spread(places, bottom, top), strict=True):
        axes.annotate(
            name,
            (1, 0),
            xycoords="axes fraction",
            xytext=(5, place - bottom),
            textcoords="offset points",
            fontsize=size,
            color=colour,
            va="center",
        )


def _spread(places: Sequence[float], bottom: float, top: float) -> list[float]:
    """Move places apart to a readable distance, keeping their order, within the panel."""
    order = np.argsort(places, kind="stable")
    moved = np.clip(np.asarray(places, np.float64)[order], bottom, top)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + _APART)
    if len(moved) and moved[-1] > top:
        moved[-1] = top
        for i in range(len(moved) - 2, -1, -1):
            moved[i] = min(moved[i], moved[i + 1] - _APART)
    result = np.empty(len(moved))
    result[order] = moved
    return [float(place) for place in result]
