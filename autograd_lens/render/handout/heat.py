"""A tensor as a small picture: its numbers, or means of neighbours, as one letter a cell."""

from __future__ import annotations

import numpy as np

from autograd_lens.render.numbers import scalar
from autograd_lens.trace.values import Floats, Value

__all__ = ["heat"]


_ROWS, _COLUMNS = 16, 48
_NARROW = 6  # columns that a tile keeps at least, where it has them
_FEW = 4  # numbers that are written out anyway
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
_ZERO = len(_LETTERS) // 2  # the middle: what is above is positive
_BROKEN = "!"  # NaN or infinity among the numbers of a cell


def heat(value: Value | None) -> str:
    """The numbers of a tensor as a picture, or ``""`` for what is no picture.

    The last axis goes across and the one before it down; further axes are tiles side by side. A
    single column lies across as well.

    Returns:
        ``"tiles/all rows×columns down×across most letters"``: the tiles drawn of all there are,
        the cells of each, how many numbers a cell is the mean of, and the largest size of a cell,
        which the first and the last letter stand for.
    """
    if value is None or not value.complete or value.array.dtype.kind != "f":
        return ""
    array = value.array
    if array.size <= _FEW or array.min() == array.max():
        return ""
    plane = array.reshape(1, 1, -1) if array.ndim == 1 else array.reshape(-1, *array.shape[-2:])
    plane = plane.swapaxes(1, 2) if plane.shape[2] == 1 else plane
    count, down, across = plane.shape
    tiles = min(count, max(_COLUMNS // min(across, _NARROW), 1))
    blocks = -(-down // _ROWS), -(-across // max(_COLUMNS // tiles, 1))
    cells = _means(plane[:tiles].astype(np.float64), *blocks)
    most = float(np.abs(cells[np.isfinite(cells)]).max(initial=0.0))
    size = f"{cells.shape[1]}×{cells.shape[2]} {blocks[0]}×{blocks[1]}"
    return f"{tiles}/{count} {size} {scalar(most, 4)} {_written(cells, most)}"


def _means(tiles: Floats, down: int, across: int) -> Floats:
    """Means over blocks of (down, across); those at the far edges may be smaller."""
    _, rows, columns = tiles.shape
    top, left = np.arange(0, rows, down), np.arange(0, columns, across)
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(np.add.reduceat(tiles, top, axis=1), left, axis=2)
    high, wide = np.diff([*top, rows]), np.diff([*left, columns])
    means: Floats = sums / np.outer(high, wide)
    return means


def _written(cells: Floats, most: float) -> str:
    flat = cells.ravel()
    with np.errstate(invalid="ignore"):
        levels = np.nan_to_num(np.round(flat / (most or 1.0) * _ZERO), nan=0, posinf=0, neginf=0)
    letters = (_LETTERS[_ZERO + int(level)] for level in levels)
    finite = np.isfinite(flat)
    return "".join(
        letter if known else _BROKEN for letter, known in zip(letters, finite, strict=True)
    )
