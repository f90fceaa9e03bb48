"""Values as a handout writes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from autograd_lens.render.numbers import scalar
from autograd_lens.trace.values import Value

__all__ = ["first_element", "real", "shape_text", "tiny", "value_text", "written"]

_FEW = 4
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(number: float) -> str:
    """A number with at most six digits that count and a real minus sign."""
    return scalar(number).replace("-", "−")


def tiny(number: float) -> str:
    """The size of a small difference: one digit and a power of ten."""
    digit, _, power = f"{number:.0e}".partition("e")
    if not -4 > int(power) > -300:  # noqa: PLR2004  shorter without a power
        return f"{number:.1g}"
    return f"{digit} × 10{str(int(power)).translate(_RAISED)}"


def real(value: Value | None, place: int = 0) -> float | None:
    """One element as a float; None where it cannot be read."""
    if value is None or not value.complete or value.numel <= place:
        return None
    try:
        return float(np.real(value.array.ravel()[place]))
    except (TypeError, ValueError):
        return None


def first_element(value: Value | None) -> str:
    """The first element, or nothing."""
    number = real(value)
    return "" if number is None else written(number)


def shape_text(shape: tuple[int, ...]) -> str:
    """Sizes with a multiplication sign, ``100 × 1``; ``1`` for a scalar."""
    return " × ".join(map(str, shape)) or "1"


def value_text(value: Value | None, words: Mapping[str, str]) -> str:
    """All elements of a small tensor, the range of a large one."""
    if value is None:
        return "None"
    if not value.complete:
        norm = value.summary.norm if value.summary else None
        return words["not_kept"] if norm is None else words["summary"].format(norm=written(norm))
    if real(value) is None:
        return shape_text(value.shape)
    array = np.real(value.array)
    if array.dtype.kind == "b":
        return words["of_true"].format(count=int(array.sum()), total=array.size)
    if array.size <= _FEW:
        return ", ".join(written(number) for number in array.ravel().tolist())
    return _range(array.astype(np.float64).ravel(), words)


def _range(numbers: npt.NDArray[np.float64], words: Mapping[str, str]) -> str:
    finite = numbers[np.isfinite(numbers)]
    nans, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    parts = []
    if len(finite):
        low, high = (
            scalar(float(edge), 4).replace("-", "−") for edge in (finite.min(), finite.max())
        )
        alike = finite.min() == finite.max()
        one = words["all_equal"].format(value=written(float(finite[0])))
        parts.append(one if alike else words["range"].format(low=low, high=high))
    parts += [words["with_nan"].format(count=nans)] if nans else []
    parts += [words["with_inf"].format(count=infinite)] if infinite else []
    return words["comma"].join(parts)
