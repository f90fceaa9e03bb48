"""The plane that a descent path is drawn on: two of its numbers, or its two main directions.

Axis letters: t points of the path (steps + 1), p elements of all parameters together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autograd_lens.errors import NotATraceError, NotRecordedError
from autograd_lens.trace.kept import SURFACE, Surface
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Scalar, all_scalars, parse_axes
from autograd_lens.trace.values import Array, Floats

__all__ = ["Plane", "find_plane", "grid", "plane_through", "project", "stored_surface"]

Part = Array
Kind = Literal["line", "parameters", "scalars", "directions"]

_MARGIN = 0.18
_DIRECTIONS = "directions"
_RUNS_AWAY = 1e6  # times as far out as at first: nothing else could be seen beside it
_IN_SIGHT = 30.0
_MOST_SQUARE = 1024  # of a matrix whose eigenvectors are computed: a quarter of a second
_BLOCK = 1 << 20  # numbers widened to float64 at a time
_NOTHING = 1e-12  # share of variance below which a direction is rounding noise


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


def find_plane(trace: Trace, axes: str | None = None, *, through: int | None = None) -> Plane:
    """The plane to draw a run's path on.

    Args:
        trace: The run.
        axes: Two scalars by name, for example ``"w1,b1"``; by default the parameters
            themselves where there are two numbers, else the path's two main directions;
            these always with ``"directions"``.
        through: The point of the path that the plane goes through, before the step of this
            number; by default the end.

    Raises:
        NotRecordedError: The run has no parameter whose values were kept.
        SelectionError: The axes could not be understood.
    """
    points = {
        name: _known_from_the_start(trace.parameter(name).values, parameter.first_step)
        for name, parameter in trace.parameters.items()
    }
    return plane_through(points, axes, through=through)


def plane_through(
    points: Mapping[str, Part],
    axes: str | None = None,
    *,
    through: int | None = None,
    whole: bool = False,
) -> Plane:
    """The plane to draw a path on.

    Args:
        points: The values of each parameter at each point, by name: (t, *shape).
        axes: As for ``find_plane``.
        through: As for ``find_plane``.
        whole: Whether a path that runs away is kept whole; by default it ends where its
            beginning can still be seen beside it.

    Raises:
        NotRecordedError: No parameter has values.
        SelectionError: The axes could not be understood.
    """
    path = _collect(points, whole=whole)
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


def _known_from_the_start(values: Part, first_step: int) -> Part:
    """A parameter that appears later stands still until then."""
    if 0 < first_step < len(values):
        values = values.copy()
        values[:first_step] = values[first_step]
    return values


def _collect(points: Mapping[str, Part], *, whole: bool) -> _Path:
    shapes = {name: values.shape[1:] for name, values in points.items()}
    flat = {
        name: values.reshape(len(values), math.prod(shapes[name]))
        for name, values in points.items()
    }
    kept = [
        name
        for name, part in flat.items()
        if part.dtype.kind == "f" and part.size and not np.isnan(part).all()
    ]
    if not kept:
        msg = "No parameter was recorded with its values, so there is no path."
        raise NotRecordedError(msg, hint="Record a program that trains something.")
    parts = [flat[name] for name in kept]
    finite = np.logical_and.reduce([np.isfinite(part).all(axis=1) for part in parts])
    notes = _notes([name for name in flat if name not in kept], finite)
    away = None if whole else _runs_away(parts, finite)
    if away is not None:
        finite[away:] = False
        further = f"{_IN_SIGHT:.0f} times as far out as at first"
        notes = (*notes, f"After step {away - 1:,} the path is more than {further}, and not drawn.")
    return _Path({name: shapes[name] for name in kept}, parts, finite, notes)


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


def _notes(left_out: Sequence[str], finite: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    notes = []
    if left_out:
        named = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
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


def _directions(path: _Path, rows: npt.NDArray[np.intp]) -> _Directions:
    if len(rows):
        return _two_directions(path.parts, rows)
    still = [np.zeros((1, part.shape[1])) for part in path.parts]
    return _two_directions(still, np.zeros(1, np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class _Directions:
    """Two orthogonal unit vectors and how much of the path they hold.

    Attributes:
        first: (p,).
        second: (p,).
        shares: Share of the path's variance along each, 0 to 1; NaN where nothing moves.
        points: How many points of the path were looked at.
    """

    first: Floats
    second: Floats
    shares: tuple[float, float]
    points: int


def _two_directions(parts: Sequence[Part], rows: npt.NDArray[np.intp]) -> _Directions:
    """The main two directions of a path, by principal component analysis.

    Args:
        parts: The path parameter by parameter, each (t, elements), in any floating dtype.
        rows: The points to look at, at least one: all of their elements are finite.
    """
    elements = sum(part.shape[1] for part in parts)
    if elements > _MOST_SQUARE < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_SQUARE).astype(np.intp)]
    means = [part[_as_slice(rows)].mean(0, dtype=np.float64) for part in parts]
    if len(rows) <= elements:
        found, variances, total = _from_gram(parts, rows, means)
    else:
        found, variances, total = _from_covariance(parts, rows, means)
    kept = [
        vector for vector, size in zip(found, variances, strict=True) if size > _NOTHING * total
    ]
    first, second = _completed(kept, elements)
    shares = [size / total if total > 0 else np.nan for size in (*variances, 0.0, 0.0)]
    return _Directions(first, second, (float(shares[0]), float(shares[1])), len(rows))


def _from_covariance(
    parts: Sequence[Part], rows: npt.NDArray[np.intp], means: Sequence[Floats]
) -> tuple[list[Floats], list[float], float]:
    """Few elements, many points: eigenvectors of the (p, p) scatter matrix."""
    centre = np.concatenate(means)
    scatter = np.zeros((len(centre), len(centre)))
    step = max(1, _BLOCK // len(centre))
    for start in range(0, len(rows), step):
        block = _as_slice(rows[start : start + step])
        moved = np.concatenate([part[block] for part in parts], axis=1, dtype=np.float64) - centre
        scatter += moved.T @ moved
    sizes, vectors = np.linalg.eigh(scatter)
    best = range(len(sizes) - 1, max(-1, len(sizes) - 3), -1)
    return [vectors[:, i] for i in best], [max(float(sizes[i]), 0.0) for i in best], _trace(scatter)


def _as_slice(rows: npt.NDArray[np.intp]) -> slice | npt.NDArray[np.intp]:
    """Neighbouring rows as a slice, which copies nothing."""
    whole = rows[-1] - rows[0] + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows


def _from_gram(
    parts: Sequence[Part], rows: npt.NDArray[np.intp], means: Sequence[Floats]
) -> tuple[list[Floats], list[float], float]:
    """Many elements, few points: the same from the (t, t) matrix of inner products."""
    gram = np.zeros((len(rows), len(rows)))
    for part, columns in _column_blocks(parts, len(rows)):
        moved = part[rows, columns].astype(np.float64)
        moved -= moved.mean(0)
        gram += moved @ moved.T
    sizes, weights = np.linalg.eigh(gram)
    best = range(len(sizes) - 1, max(-1, len(sizes) - 3), -1)
    mixed = [_mix(parts, rows, means, weights[:, i]) for i in best]
    return mixed, [max(float(sizes[i]), 0.0) for i in best], _trace(gram)


def _column_blocks(parts: Sequence[Part], rows: int) -> list[tuple[Part, slice]]:
    width = max(1, _BLOCK // rows)
    return [
        (part, slice(start, start + width))
        for part in parts
        for start in range(0, part.shape[1], width)
    ]


def _mix(
    parts: Sequence[Part], rows: npt.NDArray[np.intp], means: Sequence[Floats], weights: Floats
) -> Floats:
    """The unit vector that is this mixture of the path's points."""
    mixed = [
        weights @ part[rows] - weights.sum() * mean for part, mean in zip(parts, means, strict=True)
    ]
    vector = np.concatenate(mixed).astype(np.float64)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


def _trace(matrix: Floats) -> float:
    return max(float(np.trace(matrix)), 0.0)


def _completed(vectors: Sequence[Floats], elements: int) -> tuple[Floats, Floats]:
    """Two orthogonal unit vectors: those found, and single elements where there are fewer."""
    # Signs are arbitrary: the largest element is made positive, so that they are always the same.
    found = [vector * np.sign(vector[np.argmax(np.abs(vector))]) for vector in vectors]
    while len(found) < 2:  # a plane has two directions
        used = sum((np.abs(vector) for vector in found), np.zeros(elements))
        unit = np.zeros(elements)
        unit[np.argmin(used)] = 1.0
        for vector in found:
            unit -= (unit @ vector) * vector
        found.append(unit / np.linalg.norm(unit))
    return found[0], found[1]


def project(parts: Sequence[Part], origin: Floats, first: Floats, second: Floats) -> Floats:
    """Where each point of a path lies in a plane of orthogonal unit vectors: (t, 2)."""
    directions = np.stack([first, second], axis=1)
    place = np.zeros((len(parts[0]), 2))
    start = 0
    for part in parts:
        stop = start + part.shape[1]
        step = max(1, _BLOCK // max(1, part.shape[1]))
        for row in range(0, len(part), step):
            moved = part[row : row + step].astype(np.float64) - origin[start:stop]
            with np.errstate(invalid="ignore"):  # Inf - Inf, of points that are left out
                place[row : row + step] += moved @ directions[start:stop]
        start = stop
    return place


def stored_surface(trace: Trace, plane: Plane) -> Surface | None:
    """The surface kept in the trace, where it is one of this plane."""
    data = trace.extra(SURFACE)
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
    return surface if same else None


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
