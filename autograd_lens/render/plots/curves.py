"""What happens over the steps: the loss, the parameters and their gradients.

Axis letters: t steps or points, c curves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from autograd_lens.analysis.plane import Run
from autograd_lens.analysis.scalars import all_scalars
from autograd_lens.render.plots.style import (
    CURVES,
    INK,
    Dashes,
    log_axis,
    plain,
    step_axis,
    value_axis,
)
from autograd_lens.render.plots.thinning import envelope

__all__ = ["Curve", "draw_curves", "draw_loss", "parameter_curves"]

Floats = npt.NDArray[np.float64]

_SEEN_SINGLY = 20  # points
_APART = 11.0  # points between the names of two curves
_BROKEN = "#b3261e"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line over the steps.

    Attributes:
        name: What is written at its end.
        values: (t,), NaN in gaps.
    """

    name: str
    values: Floats


def parameter_curves(run: Run) -> tuple[str, list[Curve], list[Curve]]:
    """What to draw of the parameters and of their gradients.

    Every number has its curve where there are few of them; else every parameter is one curve,
    its length, and of many parameters those that move most are shown.

    Returns:
        What the curves are, the curves of the parameters (steps + 1 points each), and those
        of the gradients (steps points each).
    """
    shapes = {name: parameter.shape for name, parameter in run.parameters.items()}
    if sum(map(math.prod, shapes.values())) <= len(CURVES) - 2:
        return "each", *_each(run, shapes)
    values = {name: _length(run.parameter(name).values) for name in shapes}
    moving = sorted(values, key=lambda name: -_extent(values[name]))[: len(CURVES) - 2]
    shown = [name for name in shapes if name in moving]
    grads = {name: _length(run.parameter(name).grads) for name in shown}
    what = (
        "length of each" if len(shown) == len(shapes) else f"length, {len(shown)} of {len(shapes)}"
    )
    return (
        what,
        [Curve(name, values[name]) for name in shown],
        [Curve(name, grads[name]) for name in shown],
    )


def _each(run: Run, shapes: dict[str, tuple[int, ...]]) -> tuple[list[Curve], list[Curve]]:
    values, grads = [], []
    for scalar in all_scalars(shapes, len(CURVES)):
        history = run.parameter(scalar.parameter)
        values.append(Curve(scalar.label, _element(history.values, scalar.flat)))
        grads.append(Curve(scalar.label, np.abs(_element(history.grads, scalar.flat))))
    return values, grads


def _flat(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _element(values: npt.NDArray[Any], position: int) -> Floats:
    return _flat(values)[:, position].astype(np.float64)


def _length(values: npt.NDArray[Any]) -> Floats:
    """The Euclidean norm of a parameter at each point: (t,)."""
    flat = np.abs(_flat(values))
    with np.errstate(over="ignore", invalid="ignore"):
        squares: Floats = np.einsum("tc,tc->t", flat, flat, dtype=np.float64)
    return np.sqrt(squares)


def _extent(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.ptp(finite)) if len(finite) else 0.0


def draw_loss(axes: Axes, losses: Floats) -> None:
    """The loss of each step, on a logarithmic scale where it is positive."""
    known = losses[np.isfinite(losses)]
    logarithmic = bool(len(known)) and float(known.min()) > 0
    plain(axes, "loss", "logarithmic" if logarithmic else "")
    if logarithmic:
        axes.set_yscale("log")
    _draw(axes, Curve("", losses), INK, "-")
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


def draw_curves(  # noqa: PLR0913  each says one thing of the panel
    axes: Axes,
    curves: Sequence[Curve],
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
    width = 1.7 if len(curves) <= 3 else 1.2  # noqa: PLR2004  more of them overlap
    for curve, (colour, dashes) in zip(curves, CURVES, strict=False):
        values = np.where(curve.values > 0, curve.values, np.nan) if scaled else curve.values
        _draw(axes, Curve(curve.name, values), colour, dashes, width)
    for height, (colour, _) in zip(marks, CURVES, strict=False):
        axes.axhline(height, color=colour, linewidth=0.9, linestyle=":", zorder=1)
    log_axis(axes.yaxis) if scaled else value_axis(axes.yaxis, 5)
    step_axis(axes, max((len(curve.values) for curve in curves), default=1) - (not log))
    _name_ends(axes, curves)


def _draw(axes: Axes, curve: Curve, colour: str, dashes: Dashes, width: float = 1.7) -> None:
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


def _name_ends(axes: Axes, curves: Sequence[Curve]) -> None:
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
    for (_, name, colour), place in zip(ends, _spread(places, bottom, top), strict=True):
        axes.annotate(
            _short(name),
            (1, 0),
            xycoords="axes fraction",
            xytext=(5, place - bottom),
            textcoords="offset points",
            fontsize=9,
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


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else f"…{name[-most + 1 :]}"
