"""Questions to one recorded value, known in full or by its summary."""

from __future__ import annotations

import numpy as np

from autograd_lens.trace.values import Value

__all__ = ["finite", "is_zero", "same_bytes"]


def is_zero(value: Value | None) -> bool:
    """Whether it is None or all zero."""
    if value is None or (value.data is not None and not value.data.strip(b"\0")):
        return True
    return value.norm == 0.0


def same_bytes(one: Value | None, other: Value | None) -> bool:
    """Whether two values are there and equal to the last bit."""
    return one is not None and one == other


def finite(value: Value | None) -> bool:
    """Whether no element is known to be NaN or infinite."""
    if value is None:
        return True
    if value.data is None:
        summary = value.summary
        return not (summary and (summary.nan_count or summary.inf_count))
    try:
        return bool(np.isfinite(value.array).all())
    except (TypeError, ValueError):  # no numbers: quantized
        return True
