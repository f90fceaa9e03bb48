"""Fewer points that look the same: a picture has a thousand columns, a run any number of steps.

Axis letters: t points, b bins.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Envelope", "envelope", "thin_path"]

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """A long curve in brief: what it does in each of ``b`` stretches.

    Attributes:
        x: Middle of each stretch: (b,).
        low: Lowest value in it, NaN where there is none: (b,).
        middle: Median: (b,).
        high: Highest value: (b,).
    """

    x: Floats
    low: Floats
    middle: Floats
    high: Floats


def envelope(values: Floats, bins: int = 1000) -> Envelope | None:
    """What a curve does in each of ``bins`` stretches; None where it is short enough to draw.

    A spike of a single step stays visible in ``low`` and ``high``.

    Args:
        values: The curve, NaN where it has a gap: (t,).
        bins: Number of stretches.
    """
    if len(values) <= 4 * bins:
        return None
    width = -(-len(values) // bins)
    table = np.full((-(-len(values) // width), width), np.nan)
    table.ravel()[: len(values)] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of stretches that are all NaN
        low, middle, high = (f(table, axis=1) for f in (np.nanmin, np.nanmedian, np.nanmax))
    starts = np.arange(len(table)) * width
    ends = np.minimum(starts + width, len(values)) - 1
    return Envelope((starts + ends) / 2, low, middle, high)


def thin_path(points: Floats, most: int = 3000) -> Indexes:
    """The points of a path to draw, close together where it moves and where steps pass.

    Args:
        points: Positions, in units in which distances look alike, NaN in gaps: (t, axes).
        most: About how many to keep.

    Returns:
        Rising positions, all of them where the path is short.
    """
    if len(points) <= most:
        return np.arange(len(points))
    lengths = np.nan_to_num(np.linalg.norm(np.diff(points, axis=0), axis=1))
    way = np.concatenate([[0.0], np.cumsum(lengths)])
    way = way / way[-1] if way[-1] > 0 else way
    passed = (way + np.linspace(0, 1, len(points))) / 2
    chosen = np.searchsorted(passed, np.linspace(0, 1, most))
    return np.unique(np.minimum(chosen, len(points) - 1)).astype(np.intp)
