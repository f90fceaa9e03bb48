"""The plane that a descent path is drawn on.

Axis letters: t points of the path (steps + 1), p elements of all parameters together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.principal import Directions, Part, project, two_directions
from autograd_lens.analysis.scalars import Scalar, all_scalars, parse_axes
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.records import Parameter

__all__ = ["History", "Plane", "Run", "find_plane", "grid"]

Floats = npt.NDArray[np.float64]
Kind = Literal["line", "parameters", "scalars", "directions"]

_MARGIN = 0.18
_DIRECTIONS = "directions"
_RUNS_AWAY = 1e6  # times as far out as at first: nothing else could be seen beside it
_IN_SIGHT = 30.0


class History(Protocol):
    """What is needed of a parameter's history."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """The value each step's forward used, then the last one: (t, *shape)."""

    @property
    def grads(self) -> npt.NDArray[Any]:
        """``.grad`` after each step's last backward: (t - 1, *shape)."""


class Run(Protocol):
    """What is needed of a trace."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters of the run by name."""

    def parameter(self, name: str) -> History:
        """One parameter over the run."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane through the space of all parameters, and the path in it.

    Points of the plane are ``origin + u * first + v * second``.

    Attributes:
        kind: ``"line"`` where the run has one number only (``second`` is 0 then),
            ``"parameters"`` where it has just two, ``"scalars"`` for two that were named,
            ``"directions"`` for the two main directions of the path.
        origin: The point at u = v = 0: (p,).
        first: The direction of u: (p,).
        second: The direction of v: (p,).
        names: The parameters that the flat arrays are made of, in order.
        shapes: Their shapes.
        path: u and v of each point, NaN where a parameter is not finite: (t, 2).
        labels: What to write at the two axes.
        notes: Sentences on what the plane does not show.
    """

    kind: Kind
    origin: Floats
    first: Floats
    second: Floats
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    path: Floats
    labels: tuple[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """The path of all parameters that were kept.

    Attributes:
        shapes: Shapes by name.
        parts: Values parameter by parameter, each (t, elements).
        finite: Which points have all elements finite, and lie in sight: (t,).
        notes: What was left out.
    """

    shapes: dict[str, tuple[int, ...]]
    parts: list[Part]
    finite: npt.NDArray[np.bool_]
    notes: tuple[str, ...]

    @property
    def elements(self) -> int:
        return sum(part.shape[1] for part in self.parts)

    def point(self, row: int) -> Floats:
        return np.concatenate([part[row] for part in self.parts]).astype(np.float64)

    def of(self, scalar: Scalar) -> Floats:
        part = self.parts[list(self.shapes).index(scalar.parameter)]
        return part[:, scalar.flat].astype(np.float64)

    def unit(self, scalar: Scalar) -> Floats:
        before = list(self.shapes).index(scalar.parameter)
        vector = np.zeros(self.elements)
        vector[sum(part.shape[1] for part in self.parts[:before]) + scalar.flat] = 1.0
        return vector


def find_plane(
    run: Run, axes: str | None = None, *, through: int | None = None, whole: bool = False
) -> Plane:
    """The plane to draw a run's path on.

    Args:
        run: The run.
        axes: Two scalars by name, for example ``"w1,b1"``; by default the parameters
            themselves where there are two numbers, else the path's two main directions;
            these always with ``"directions"``.
        through: The point of the path that the plane goes through, before the step of this
            number; by default the end.
        whole: Whether a path that runs away is kept whole; by default it ends where its
            beginning can still be seen beside it.

    Raises:
        NotRecordedError: The run has no parameter whose values were kept.
        SelectionError: The axes could not be understood.
    """
    path = _collect(run, whole=whole)
    if axes == _DIRECTIONS and path.elements > 1:
        return _main_plane(path, through)
    if axes is not None:
        named = parse_axes(axes, path.shapes)
        kind: Kind = "parameters" if path.elements == len(named) else "scalars"
        return _scalar_plane(path, named, kind, through)
    if path.elements == 1:
        return _line(path)
    scalars = all_scalars(path.shapes, 2)
    if path.elements == len(scalars):
        return _scalar_plane(path, (scalars[0], scalars[1]), "parameters", through)
    return _main_plane(path, through)


def _collect(run: Run, *, whole: bool) -> _Path:
    shapes: dict[str, tuple[int, ...]] = {}
    parts: list[Part] = []
    left_out: list[str] = []
    for name, parameter in run.parameters.items():
        values = run.parameter(name).values
        part = values.reshape(len(values), math.prod(parameter.shape))
        part = _known_from_the_start(part, parameter.first_step)
        kept = part.dtype.kind == "f" and part.size and not np.isnan(part).all()
        if not kept:
            left_out.append(name)
            continue
        shapes[name] = parameter.shape
        parts.append(part)
    if not parts:
        msg = "No parameter was recorded with its values, so there is no path."
        raise NotRecordedError(msg, hint="Record a program that trains something.")
    finite = np.logical_and.reduce([np.isfinite(part).all(axis=1) for part in parts])
    notes = _notes(left_out, finite)
    away = None if whole else _runs_away(parts, finite)
    if away is not None:
        finite[away:] = False
        further = f"{_IN_SIGHT:.0f} times as far out as at first"
        notes = (*notes, f"After step {away - 1:,} the path is more than {further}, and not drawn.")
    return _Path(shapes, parts, finite, notes)


def _runs_away(parts: Sequence[Part], finite: npt.NDArray[np.bool_]) -> int | None:
    """From which point on a path that grows without bounds is no longer drawn."""
    rows = np.flatnonzero(finite)
    if not len(rows):
        return None
    out = np.max([np.abs(part[rows].astype(np.float64)).max(axis=1) for part in parts], axis=0)
    first = out[:2].max()
    if not out.max() > _RUNS_AWAY * first > 0:
        return None
    return int(rows[np.argmax(out > _IN_SIGHT * first)])


def _known_from_the_start(part: Part, first_step: int) -> Part:
    """A parameter that appears later stands still until then."""
    if 0 < first_step < len(part):
        part = part.copy()
        part[:first_step] = part[first_step]
    return part


def _notes(left_out: Sequence[str], finite: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    notes = []
    if left_out:
        named = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")  # noqa: PLR2004
        notes.append(f"Left out, as no real values were kept: {named}.")
    missing = int((~finite).sum())
    if missing:
        first = int(np.argmin(finite))
        notes.append(
            f"{missing:,} of {len(finite):,} points are not finite (the first after step "
            f"{first - 1:,}) and are not on the path."
            if first
            else f"{missing:,} of {len(finite):,} points are not finite and are not on the path."
        )
    return tuple(notes)


def _point(path: _Path, through: int | None) -> Floats:
    """The end of the path, or the point that is asked for.

    Where it is not finite, the last that is; where none is, the first with Inf and NaN taken
    for 0.
    """
    if through is not None and path.finite[through]:
        return path.point(through)
    if path.finite.any():
        return path.point(int(np.flatnonzero(path.finite)[-1]))
    return np.nan_to_num(path.point(0), nan=0.0, posinf=0.0, neginf=0.0)


def _plane(
    path: _Path,
    kind: Kind,
    place: Floats,
    directions: tuple[Floats, Floats],
    **fields: Any,  # noqa: ANN401  the other fields of Plane
) -> Plane:
    fields["notes"] = (*fields.get("notes", ()), *path.notes)
    return Plane(
        kind=kind,
        first=directions[0],
        second=directions[1],
        names=tuple(path.shapes),
        shapes=tuple(path.shapes.values()),
        path=np.where(path.finite[:, None], place, np.nan),
        **fields,
    )


def _line(path: _Path) -> Plane:
    (scalar,) = all_scalars(path.shapes, 1)
    place = np.stack([path.of(scalar), np.zeros(len(path.finite))], axis=1)
    directions = (np.ones(1), np.zeros(1))
    return _plane(path, "line", place, directions, origin=np.zeros(1), labels=(scalar.label, ""))


def _scalar_plane(
    path: _Path, scalars: tuple[Scalar, Scalar], kind: Kind, through: int | None
) -> Plane:
    """The two numbers themselves; all others as they are at one point of the path."""
    one, other = scalars
    directions = (path.unit(one), path.unit(other))
    origin = _point(path, through) * (directions[0] + directions[1] == 0)
    place = np.stack([path.of(one), path.of(other)], axis=1)
    notes: tuple[str, ...] = ()
    if kind == "scalars":
        when = "at the end" if through is None else f"in step {through:,}"
        notes = (f"The surface holds all other parameters as they were {when}.",)
    labels = (one.label, other.label)
    return _plane(path, kind, place, directions, origin=origin, labels=labels, notes=notes)


def _main_plane(path: _Path, through: int | None) -> Plane:
    """The two main directions of the path, through one point of it."""
    rows = np.flatnonzero(path.finite)
    origin = _point(path, through)
    found = _directions(path, rows)
    place = project(path.parts, origin, found.first, found.second)
    one, other = found.shares
    notes: tuple[str, ...] = ()
    if math.isnan(one):
        labels = ("first direction", "second direction")
        notes = ("The parameters never move, so the directions are arbitrary.",)
    else:
        labels = (
            f"first direction of the path ({one:.1%} of its variance)",
            f"second direction ({other:.1%})",
        )
    if found.points < len(rows):
        notes = (*notes, f"Directions from {found.points:,} of the path's {len(rows):,} points.")
    directions = (found.first, found.second)
    return _plane(path, "directions", place, directions, origin=origin, labels=labels, notes=notes)


def _directions(path: _Path, rows: npt.NDArray[np.intp]) -> Directions:
    if len(rows):
        return two_directions(path.parts, rows)
    still = [np.zeros((1, part.shape[1])) for part in path.parts]
    return two_directions(still, np.zeros(1, np.intp))


def grid(
    plane: Plane, size: int, *, include: tuple[float, float] | None = None
) -> tuple[Floats, Floats]:
    """Positions that cover the path with a margin.

    Args:
        plane: The plane.
        size: Number of positions along each direction.
        include: A further point (u, v) to cover, for example the optimum.

    Returns:
        u (size,) and v (size,); v is (1,) on a line.
    """
    points = plane.path[np.isfinite(plane.path).all(axis=1)]
    if include is not None:
        points = np.concatenate([points, [include]])
    if not len(points):
        points = np.zeros((1, 2))
    low, high = points.min(axis=0), points.max(axis=0)
    spans = high - low
    # A direction in which nothing moves is given the width of the other, or of the value.
    still = np.maximum(np.abs(high) * 0.1, float(spans.max()) * 0.25)
    margin = np.where(spans > still * 1e-6, spans * _MARGIN, np.where(still > 0, still, 1.0))
    u, v = (np.linspace(a, b, size) for a, b in zip(low - margin, high + margin, strict=True))
    return u, np.zeros(1) if plane.kind == "line" else v
