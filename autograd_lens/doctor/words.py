"""Numbers and names in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Value

__all__ = ["largest_difference", "listed", "number", "plural", "replayed", "shape", "size"]

_NAMED = 3


def number(value: float) -> str:
    """A number with four digits that count."""
    return "NaN" if math.isnan(value) else f"{value:.4g}"


def size(value: Value | None) -> str:
    """The number of a one-element tensor, else its norm."""
    if value is None:
        return "None"
    if value.numel == 1 and value.complete:
        single = value.item()
        return number(float(single.real)) if not isinstance(single, complex) else str(single)
    return f"norm {number(value.norm)}"


def shape(sizes: Sequence[int]) -> str:
    """Sizes as PyTorch's users write them."""
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"


def listed(names: Sequence[str]) -> str:
    """``w1``, ``w1 and b1``, ``w1, b1 and 3 more``."""
    names = list(dict.fromkeys(names))
    if len(names) <= _NAMED:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"


def plural(count: int, word: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def replayed(step: Step) -> tuple[str, ...]:
    """What to add to the evidence of a step that was not recorded in full."""
    return () if step.provenance == "recorded" else ("the step was opened by replay",)


def largest_difference(before: Value, after: Value) -> float:
    """The largest absolute difference of two values' elements; NaN where it cannot be told."""
    if not (before.complete and after.complete) or before.shape != after.shape:
        return math.nan
    apart = np.abs(before.array.astype(np.float64) - after.array.astype(np.float64))
    return float(apart.max(initial=0.0))
