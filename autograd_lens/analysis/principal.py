"""The two directions in which a path is longest.

Axis letters: t points of the path, p elements of all parameters together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Directions", "project", "two_directions"]

Floats = npt.NDArray[np.float64]
Part = npt.NDArray[Any]

_MOST_SQUARE = 1024  # of a matrix whose eigenvectors are computed: a quarter of a second
_BLOCK = 1 << 20  # numbers widened to float64 at a time
_NOTHING = 1e-12  # share of variance below which a direction is rounding noise


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
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


def two_directions(parts: Sequence[Part], rows: npt.NDArray[np.intp]) -> Directions:
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
    return Directions(first, second, (float(shares[0]), float(shares[1])), len(rows))


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
    while len(found) < 2:  # noqa: PLR2004  a plane has two directions
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
