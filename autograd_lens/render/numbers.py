"""Numbers as people read them: scalars, and the value of a tensor on one line.

Styles are bold, dim and named colours only, so that they suit light and dark terminals, and
what a colour says is always said in words too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from rich.text import Text

from autograd_lens.trace.values import Array, Summary, Value

__all__ = ["brief_value", "histogram", "render_value", "scalar", "shape"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_BROKEN = "bold red"
_QUIET = "dim"
_FEW = 6  # elements that are written out
_ROOM = 48  # columns they may take
_TINY = np.finfo(np.float64).tiny
_STATISTIC = 4  # significant digits of a range or a mean


def scalar(number: complex, digits: int = 6) -> str:
    """A number with at most ``digits`` that count; whole numbers in full."""
    if isinstance(number, bool | np.bool_):
        return str(bool(number))
    if isinstance(number, int | np.integer):
        return str(number)
    if isinstance(number, complex | np.complexfloating):
        return f"{scalar(number.real, digits)}{number.imag:+.{digits}g}j"
    if math.isnan(number):
        return "NaN"
    return f"{float(number):.{digits}g}"


def shape(sizes: Iterable[int]) -> str:
    """Sizes as PyTorch's users write them: ``(100, 1)``."""
    sizes = tuple(sizes)
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"


def histogram(numbers: Array, bins: int = 8) -> str:
    """How often which size occurs, smallest numbers left, as a row of blocks.

    The lowest block is an empty bin, so that few and none can be told apart.
    """
    # scaled before the subtraction: the width of a range may overflow, or vanish in rounding
    scaled = numbers.astype(np.float64).ravel() / max(np.abs(numbers).max(), _TINY)
    width = np.ptp(scaled) or 1.0
    places = np.minimum((scaled - scaled.min()) / width * bins, bins - 1).astype(np.intp)
    counts = np.bincount(places, minlength=bins)
    return "".join(_BLOCKS[math.ceil(count * 7 / counts.max())] for count in counts.tolist())


def render_value(value: Value | None, *, few: int = _FEW) -> Text:
    """The value of a tensor on one line.

    Args:
        value: What was recorded; None reads ``None``.
        few: Tensors with at most so many elements are written out.

    Returns:
        ``[[3.05069]]``, or shape, range, mean and histogram:
        ``(100, 1)  ▂▃▅▇█▆▄▂  -14.66 to -8.47, mean -11.51``.
    """
    if value is None:
        return Text("None", style=_QUIET)
    if value.numel == 0:
        return _with_dtype(Text(f"{shape(value.shape)}  empty"), value)
    if value.data is None:
        return _joined(_head(value), *_of_summary(value.summary))
    array = _readable(value)
    if array is None:
        return _joined(_head(value), Text("cannot be shown as numbers", style=_QUIET))
    if value.numel <= few and len(written := _nested(array)) <= _ROOM:
        return _with_dtype(written, value)
    return _joined(_head(value), *_of_array(array))


def brief_value(value: Value | None) -> Text:
    """The value of a tensor in a few characters: its number, or its shape and norm."""
    if value is None:
        return Text("None", style=_QUIET)
    array = _readable(value)
    if array is not None and value.numel == 1:
        return _number(array.item())
    head = Text(shape(value.shape), style=_QUIET)
    if array is None and value.summary is None:
        return head
    return _joined(head, Text("norm ").append_text(_number(value.norm, _STATISTIC)))


def _readable(value: Value) -> Array | None:
    try:
        return value.array
    except (TypeError, ValueError):  # quantized types; a summary only
        return None


def _number(number: complex, digits: int = 6) -> Text:
    broken = not np.isfinite(number)
    return Text(scalar(number, digits), style=_BROKEN if broken else "")


def _nested(array: Array) -> Text:
    if array.ndim == 0:
        return _number(array.item())
    rows = Text(", ").join(_nested(row) for row in array)
    return Text.assemble("[", rows, "]")


def _with_dtype(text: Text, value: Value) -> Text:
    return text if value.dtype == "float32" else text.append(f"  {value.dtype}", style=_QUIET)


def _head(value: Value) -> Text:
    return _with_dtype(Text(shape(value.shape), style=_QUIET), value)


def _joined(*parts: Text) -> Text:
    return Text("  ").join(part for part in parts if part)


def _of_array(array: Array) -> list[Text]:
    if array.dtype.kind == "b":
        return [Text(f"{np.count_nonzero(array)} of {array.size} True")]
    if array.dtype.kind == "c":
        return [Text("absolute"), *_of_array(np.abs(array))]
    finite = array[np.isfinite(array)]
    bad = _bad(int(np.isnan(array).sum()), int(np.isinf(array).sum()), array.size)
    if not finite.size:
        return [bad]
    low, high = finite.min().item(), finite.max().item()
    if low == high:
        return [Text(f"all {scalar(low)}" if finite.size == array.size else scalar(low)), bad]
    with np.errstate(over="ignore"):
        mean = finite.mean(dtype=np.float64).item()
    return [Text(histogram(finite)), _range(low, high, mean), bad]


def _range(low: float, high: float, mean: float | None) -> Text:
    text = f"{scalar(low, _STATISTIC)} to {scalar(high, _STATISTIC)}"
    return Text(text if mean is None else f"{text}, mean {scalar(mean, _STATISTIC)}")


def _bad(nans: int, infinities: int, total: int | None = None) -> Text:
    found = [
        f"{count} {word}" for count, word in ((nans, "NaN"), (infinities, "infinite")) if count
    ]
    if total in (nans, infinities):
        found = ["all NaN" if nans else "all infinite"]
    return Text(", ".join(found), style=_BROKEN)


def _of_summary(summary: Summary | None) -> list[Text]:
    if summary is None:
        return [Text("not kept", style=_QUIET)]
    size = Text("norm ").append_text(_number(summary.norm, _STATISTIC))
    bad = _bad(summary.nan_count or 0, summary.inf_count or 0)
    kept = Text("(summary)", style=_QUIET)
    if summary.minimum is None or summary.maximum is None:
        return [size, bad, kept]
    return [_range(summary.minimum, summary.maximum, summary.mean), size, bad, kept]
