"""A recorded descent and a changed one in one plane, and what of it is worth drawing.

Axis letters: t points of the recorded path, s points of the changed one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.plane import Plane, plane_through, project
from autograd_lens.trace.outcomes import Descent, WhatIf
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.values import Floats

__all__ = ["TwoPaths", "two_paths"]

_BEYOND = 2.0  # how far outside of the recorded path's extent the other one is followed, in halves
_WHOLE = 15.0  # up to so many times the recorded extent, all of it is shown
_MARGIN = 0.12


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


def two_paths(what: WhatIf, axes: str | None = None) -> TwoPaths:
    """Place both descents in a plane, and choose what of it is drawn.

    Args:
        what: The descents.
        axes: Two scalars by name; by default as for a single path.
    """
    within = _within(what)
    if any(
        recorded.shape[1:] != within.changed.values[name].shape[1:]
        for name, recorded in within.recorded.values.items()
    ):
        damaged("the shape of a parameter is not that of its values")
    joined = {
        name: np.concatenate([recorded, within.changed.values[name]])
        for name, recorded in within.recorded.values.items()
    }
    # Directions are those of the recorded path where the other one goes out of all bounds.
    beyond = _reach(within.changed) > _WHOLE * _reach(within.recorded) > 0
    plane = plane_through(what.recorded.values if beyond else joined, axes, whole=True)
    count = len(next(iter(what.recorded.values.values())))
    # The plane's own path leaves out what is far away; here it is followed out of the picture.
    parts = [joined[name].reshape(len(joined[name]), -1) for name in plane.names]
    path = project(parts, plane.origin, plane.first, plane.second)
    recorded, changed = path[:count], path[count:]
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
    extent, other = (
        np.nanmax(points, axis=0) - np.nanmin(points, axis=0) for points in (recorded, changed)
    )
    return not bool(np.hypot(*other) <= _WHOLE * np.hypot(*extent))


def _reach(descent: Descent) -> float:
    """How far a path goes from its beginning, in the space of all parameters."""
    with np.errstate(over="ignore"):
        squares = [
            np.square((rows - rows[0]).astype(np.float64)).reshape(len(rows), -1).sum(axis=1)
            for rows in descent.values.values()
        ]
    return float(np.sqrt(np.nanmax(np.sum(squares, axis=0))))


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
