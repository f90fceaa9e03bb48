"""The plane that the debugger's small map is drawn on, and the loss over it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.bowl import fit_bowl
from autograd_lens.analysis.columns import TraceLike
from autograd_lens.analysis.plane import Plane, find_plane
from autograd_lens.errors import LensError, NotATraceError
from autograd_lens.render.stepper.descent import Descent, thinned
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.surface import STORED, Surface
from autograd_lens.tui.courses import DRAWN, is_small

__all__ = ["find_descent"]

Floats = npt.NDArray[np.float64]

_GOOD_FIT = 0.999  # share of the gradients that a bowl must explain to be drawn


def find_descent(trace: TraceLike) -> Descent:
    """The loss over the steps, and the path on the run's plane where its histories are small.

    The loss around the path is the surface that the recording holds; without one, of two
    numbers, a bowl through the gradients where they are those of a bowl.
    """
    losses = thinned(trace.losses, DRAWN)
    try:
        plane = find_plane(trace) if is_small(trace, trace.parameters) else None
    except LensError:
        plane = None
    if plane is None or plane.kind == "line" or not np.isfinite(plane.path).all(1).any():
        return Descent(losses)
    path = thinned(plane.path[:-1], DRAWN)
    height: Callable[[Floats], Floats] | None = None
    if (surface := _stored(trace, plane)) is not None:
        height = partial(_interpolated, surface)
    elif plane.kind == "parameters":
        height = _bowl(trace, plane)
    return Descent(losses, plane.labels, path, height)


def _stored(trace: TraceLike, plane: Plane) -> Surface | None:
    """The surface kept in the recording, where it is one of this plane."""
    data = trace.extra(STORED) if isinstance(trace, Trace) else None  # noqa: S610  no Django query
    if data is None:
        return None
    try:
        surface = Surface.from_bytes(data)
    except NotATraceError:
        return None
    same = surface.names == plane.names and all(
        np.allclose(getattr(surface, name), getattr(plane, name))
        for name in ("origin", "first", "second")
    )
    return surface if same and min(surface.loss.shape) > 1 else None


def _bowl(trace: TraceLike, plane: Plane) -> Callable[[Floats], Floats] | None:
    grads = [trace.parameter(name).grads.astype(np.float64) for name in plane.names]
    flat = np.concatenate([each.reshape(len(each), -1) for each in grads], 1)
    bowl = fit_bowl(plane.path[:-1], flat, trace.losses)
    return bowl.height if bowl is not None and bowl.fit > _GOOD_FIT else None


def _interpolated(surface: Surface, points: Floats) -> Floats:
    """The loss between the points of a grid, NaN outside of it: (..., 2) to (...)."""
    column, across, inside = _cell(surface.u, points[..., 0])
    row, up, inside_too = _cell(surface.v, points[..., 1])
    loss = surface.loss
    lower = loss[row, column] * (1 - across) + loss[row, column + 1] * across
    upper = loss[row + 1, column] * (1 - across) + loss[row + 1, column + 1] * across
    return np.where(inside & inside_too, lower * (1 - up) + upper * up, np.nan)


def _cell(
    marks: Floats, numbers: Floats
) -> tuple[npt.NDArray[np.intp], Floats, npt.NDArray[np.bool_]]:
    """The marks that numbers lie between, how far along, and whether they lie there at all."""
    place = np.clip(np.searchsorted(marks, numbers, side="right") - 1, 0, len(marks) - 2)
    share = (numbers - marks[place]) / (marks[place + 1] - marks[place])
    slack = 1e-9
    return place, share, (share >= -slack) & (share <= 1 + slack)
