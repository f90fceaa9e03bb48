"""A value summed up: what is kept of it instead of its bytes, and what that still tells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from autograd_lens.trace.values import Summary, Value, numpy_dtype

__all__ = ["equal", "summarize"]

_EXACT = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
_SAMPLES = 8


def summarize(raw: npt.NDArray[Any], dtype: str, *, brief: bool = False) -> Summary:
    """Sum up a value.

    Args:
        raw: Its bytes, or its elements as any type of their size, contiguous: (elements,).
        dtype: torch dtype without its prefix.
        brief: Whether no more than digest and norm are wanted, which are computed at the speed
            of memory. Where the norm is finite, so is every element.
    """
    digest = xxhash.xxh3_128_hexdigest(raw.data)
    try:
        values = raw.view(numpy_dtype(dtype))
    except TypeError:  # quantized
        return Summary(digest=digest, norm=math.nan)
    if values.dtype.kind == "c":
        values = np.abs(values)
    elif values.dtype.kind not in "fiu":
        values = values.astype(np.float32)  # bool, and the types that ml_dtypes adds
    with np.errstate(over="ignore", invalid="ignore"):  # the program's values, whatever they are
        norm = _norm(values)
        finite = math.isfinite(norm)
        if brief and finite and values.dtype in _EXACT:
            return Summary(digest=digest, norm=norm, nan_count=0, inf_count=0)
        picks = np.linspace(0, values.size - 1, min(_SAMPLES, values.size)).astype(np.int64)
        return Summary(
            digest=digest,
            norm=norm,
            minimum=float(values.min()),
            maximum=float(values.max()),
            mean=float(values.mean(dtype=np.float64)),
            nan_count=0 if finite else int(np.isnan(values).sum()),
            inf_count=0 if finite else int(np.isinf(values).sum()),
            sample=tuple(float(value) for value in values[picks]),
        )


def _norm(values: npt.NDArray[Any]) -> float:
    wide = values if values.dtype in _EXACT else values.astype(np.float64)
    return float(np.sqrt(np.dot(wide, wide)))


def equal(one: Value, other: Value) -> bool | None:
    """Whether two values are equal bit for bit.

    Of a value that was not kept whole its digest tells: that of other bytes is another one.

    Returns:
        None where that cannot be known: of one of them not even a digest was kept.
    """
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one.data is not None and other.data is not None:
        return one.data == other.data
    digests = (_digest(one), _digest(other))
    return None if None in digests else digests[0] == digests[1]


def _digest(value: Value) -> str | None:
    if value.data is not None:
        return xxhash.xxh3_128_hexdigest(value.data)
    return value.summary.digest or None if value.summary else None
