"""Values of two runs: the same bits, the same but for rounding, and how far apart.

NOTE 1 [Nearly the same]: two tapes whose kernels add in another order differ everywhere in the
last digits. What else parts them is found by counting as the same what is close.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from autograd_lens.trace.values import Value, equal

__all__ = ["Same", "close", "distance", "the_same"]

Same = Callable[[Value | None, Value | None], bool]

_CLOSE = {"float16": 2e-2, "bfloat16": 6e-2, "float64": 1e-9}
_CLOSE_ELSE = 2e-4  # of the largest element; float32 after some layers


def the_same(one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same bits, as far as is known: not known is not different.

    Of two dtypes, whether they are the same numbers.
    """
    if one is None or other is None:
        return True
    if one.dtype != other.dtype:
        return distance(one, other) == 0
    return equal(one, other) is not False


def close(one: Value | None, other: Value | None) -> bool:
    """Whether two values differ by no more than rounding may (NOTE 1)."""
    if the_same(one, other) or one is None or other is None:
        return True
    if one.shape != other.shape:
        return False
    if not one.complete or not other.complete:
        sizes = one.norm, other.norm
        return abs(sizes[0] - sizes[1]) <= _allowed(one, other) * max(map(abs, sizes))
    if one.array.dtype.kind not in "fc" or other.array.dtype.kind not in "fc":
        return bool(np.array_equal(one.array, other.array))
    scale = float(np.abs(np.nan_to_num(one.array)).max(initial=0.0))
    return distance(one, other) <= _allowed(one, other) * scale


def _allowed(one: Value, other: Value) -> float:
    return max(_CLOSE.get(value.dtype, _CLOSE_ELSE) for value in (one, other))


def distance(one: Value | None, other: Value | None) -> float:
    """Largest absolute difference of an element; NaN where that is not known."""
    if one is None or other is None or not one.complete or not other.complete:
        return math.nan
    if one.shape != other.shape:
        return math.nan
    left, right = one.array.astype(np.complex128), other.array.astype(np.complex128)
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return float(np.where(same, 0.0, np.nan_to_num(apart, nan=math.inf)).max(initial=0.0))
