"""The recorded value of one tensor: raw bytes, or a summary where it was too large.

A file holds *entries*: bytes, summaries and numbers. An entry becomes a ``Value`` where its
dtype and shape are known, and both are checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from autograd_lens.trace.schema import damaged

__all__ = [
    "MOST_AXES",
    "Array",
    "Entry",
    "Floats",
    "Summary",
    "Value",
    "alike",
    "as_value",
    "differ",
    "digest",
    "entry_digest",
    "equal",
    "item_size",
    "numpy_dtype",
    "summarize",
]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_ITEM_SIZES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "quint8": 1,
    "qint8": 1,
    "uint16": 2,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "uint32": 4,
    "int32": 4,
    "qint32": 4,
    "float32": 4,
    "complex32": 4,
    "uint64": 8,
    "int64": 8,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}

# torch's names of dtypes that NumPy lacks; ml_dtypes supplies them.
_EXTENDED = frozenset(
    {
        "bfloat16",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    }
)

_PLAIN = frozenset(_ITEM_SIZES) - {"quint8", "qint8", "qint32"}  # quantized ones need a scale
_EXACT = "fd"  # the characters of float32 and float64
_SAMPLES = 8
_PART = 1 << 15  # elements
_ROW = 256  # elements that are added up in their own type

MOST_AXES = 60
"""NumPy has 64 at most, and some arrays here have one more than their tensor."""


def item_size(dtype: str) -> int | None:
    """Bytes of one element of a torch dtype; None where this version does not know it."""
    return 1 if dtype.startswith("float8_") else _ITEM_SIZES.get(dtype)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype that reads the raw bytes of a torch dtype.

    Args:
        name: A torch dtype without its prefix, for example ``"float32"``.

    Raises:
        TypeError: NumPy and ml_dtypes have no such dtype (quantized types).
    """
    if name in _EXTENDED:
        import ml_dtypes

        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return extended
    if name not in _PLAIN:  # NumPy knows names that torch does not, "object" among them
        msg = f"NumPy has no dtype {name!r}."
        raise TypeError(msg)
    return np.dtype(name)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a tensor that was too large to be kept whole.

    Attributes:
        digest: Hexadecimal XXH3-128 of the raw bytes; equal bytes, equal digest.
        norm: Euclidean norm of all elements; NaN where any element is NaN.
        minimum: Smallest element, or None where it was not computed.
        maximum: Largest element, or None where it was not computed.
        mean: Mean, or None where it was not computed.
        nan_count: Elements that are NaN, or None where they were not counted.
        inf_count: Elements that are infinite, or None where they were not counted.
        sample: Up to eight elements at equal distances, first and last included.

    Two summaries are equal where their digests are: the other fields follow from the bytes,
    and a NaN among them would make a value differ from itself.
    """

    digest: str
    norm: float = field(compare=False)
    minimum: float | None = field(default=None, compare=False)
    maximum: float | None = field(default=None, compare=False)
    mean: float | None = field(default=None, compare=False)
    nan_count: int | None = field(default=None, compare=False)
    inf_count: int | None = field(default=None, compare=False)
    sample: tuple[float, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a tensor at one moment.

    Attributes:
        dtype: torch dtype without its prefix, for example ``"float32"``.
        shape: Sizes of all axes; ``()`` for a scalar.
        data: Raw little-endian bytes in row-major order, or None where only a
            summary was kept.
        summary: What was kept instead of ``data``, else None.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | None
    summary: Summary | None = None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def complete(self) -> bool:
        """Whether every element was kept, in a type whose elements can be read."""
        return self.data is not None and (self.dtype in _PLAIN or self.dtype in _EXTENDED)

    @property
    def array(self) -> Array:
        """All elements, of shape ``self.shape``; bfloat16 and float8 as float32.

        Raises:
            ValueError: Only a summary was kept.
        """
        if self.data is None:
            msg = (
                f"Only a summary of this {self.dtype} tensor of shape {self.shape} was kept. "
                "Record with a larger value budget to keep all elements."
            )
            raise ValueError(msg)
        if self.dtype == "complex32":
            halves = np.frombuffer(self.data, np.float16).astype(np.float32)
            return halves.view(np.complex64).reshape(self.shape)
        raw = np.frombuffer(self.data, numpy_dtype(self.dtype)).reshape(self.shape)
        return raw.astype(np.float32) if self.dtype in _EXTENDED else raw

    @property
    def norm(self) -> float:
        """Euclidean norm of all elements, computed in float64."""
        if not self.complete:
            return self.summary.norm if self.summary else math.nan
        return float(np.linalg.norm(self.array.astype(np.complex128).ravel()))

    def item(self) -> float | int | bool | complex:
        """The single element of a one-element tensor.

        Raises:
            ValueError: The tensor has more than one element.
        """
        if self.numel != 1:
            msg = f"A tensor of shape {self.shape} has {self.numel} elements; item() needs one."
            raise ValueError(msg)
        return self.array.item()  # type: ignore[no-any-return]


Entry = bytes | Summary | float | int | bool | complex | None
"""What a file holds at one place: a tensor's bytes or what is kept of them, a number, nothing."""


def as_value(entry: Entry, dtype: str, shape: tuple[int, ...]) -> Value | None:
    """The value of a tensor; of one axis where the program changed the tensor's size.

    Raises:
        NotATraceError: The entry cannot be the value of such a tensor.
    """
    if entry is None:
        return None
    if len(shape) > MOST_AXES:
        damaged(f"a tensor has {len(shape)} axes where {MOST_AXES} are the most")
    if isinstance(entry, Summary):
        return Value(dtype, shape, None, entry)
    if not isinstance(entry, bytes):
        damaged(f"a number stands where a {dtype} tensor is expected")
    size = item_size(dtype)
    if size is None or len(entry) == size * math.prod(shape):
        return Value(dtype, shape, entry)
    if len(entry) % size:
        damaged(f"{len(entry)} bytes stand where a {dtype} tensor of shape {shape} is expected")
    return Value(dtype, (len(entry) // size,), entry)


def differ(before: Entry, after: Entry) -> bool:
    """Whether two stored values are there and differ in their bytes."""
    if before is None or after is None:
        return False
    return not alike(before, after)


def alike(one: Entry, other: Entry) -> bool:
    """Whether two stored entries are the same bits; of what is summed up the digest tells."""
    if isinstance(one, Summary) and isinstance(other, bytes):
        return one.digest == xxhash.xxh3_128_hexdigest(other)
    if isinstance(one, bytes) and isinstance(other, Summary):
        return alike(other, one)
    return one == other


def summarize(
    raw: Array,
    dtype: str,
    *,
    brief: bool = False,
    known: dict[str, Summary] | None = None,
) -> Summary:
    """Sum up a value.

    Args:
        raw: Its bytes, or its elements as any type of their size, contiguous: (elements,).
        dtype: torch dtype without its prefix.
        brief: Whether no more than digest and norm are wanted, which are computed at the speed
            of memory. Where the norm is finite, so is every element.
        known: Summaries by digest and dtype: what is among them costs its digest alone.
    """
    digest = xxhash.xxh3_128_hexdigest(raw.data)
    if known is None:
        return _summary(digest, raw, dtype, brief=brief)
    key = f"{digest} {dtype}"
    if key not in known:
        known[key] = _summary(digest, raw, dtype, brief=brief)
    return known[key]


def _summary(digest: str, raw: Array, dtype: str, *, brief: bool) -> Summary:
    try:
        values = raw.view(numpy_dtype(dtype))
    except TypeError:  # quantized
        return Summary(digest=digest, norm=math.nan)
    kind = values.dtype.kind
    if kind == "c":
        values = np.abs(values)
    elif kind not in "fiu":
        values = values.astype(np.float32)  # bool, and the types that ml_dtypes adds
    exact = values.dtype.char in _EXACT
    with np.errstate(over="ignore", invalid="ignore"):  # the program's values, whatever they are
        norm = _norm(values)
        finite = math.isfinite(norm)
        if brief and finite and exact:
            return Summary(digest=digest, norm=norm, nan_count=0, inf_count=0)
        return Summary(
            digest=digest,
            norm=norm,
            minimum=float(np.minimum.reduce(values)),
            maximum=float(np.maximum.reduce(values)),
            mean=_mean(values),
            nan_count=0 if finite else int(np.isnan(values).sum()),
            inf_count=0 if finite else int(np.isinf(values).sum()),
            sample=tuple(map(float, values[_picks(values.size)])),
        )


@lru_cache(256)
def _picks(size: int) -> npt.NDArray[np.intp]:
    """Where the sample of so many elements lies."""
    count = min(_SAMPLES, size)
    places = [(size - 1) * position // max(1, count - 1) for position in range(count)]
    return np.array(places, np.intp)


def _mean(values: Array) -> float:
    """The mean: of float32 rows are added up first, as exact as that type and three times as fast.

    Where such a sum is beyond that type, all is added up as float64.
    """
    if values.dtype.char == "f" and values.size > _ROW:
        whole = values.size - values.size % _ROW
        rows = np.add.reduce(values[:whole].reshape(-1, _ROW), axis=1)
        total = float(np.add.reduce(rows, dtype=np.float64))
        total += float(np.add.reduce(values[whole:], dtype=np.float64))
        if math.isfinite(total):
            return total / values.size
    return float(values.mean(dtype=np.float64))


def _norm(values: Array) -> float:
    """The norm; what has to be made float64 is so in parts that stay in the processor's cache."""
    if values.dtype.char in _EXACT:
        return math.sqrt(np.dot(values, values))
    starts = range(0, values.size, _PART)
    parts = (values[start : start + _PART].astype(np.float64) for start in starts)
    return math.sqrt(sum(np.dot(part, part) for part in parts))


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
    digests = (digest(one), digest(other))
    return None if None in digests else digests[0] == digests[1]


def digest(value: Value) -> str | None:
    """What tells a value's bytes from others; None where nothing of it was kept."""
    return entry_digest(value.summary if value.data is None else value.data) or None


def entry_digest(entry: Entry) -> str | None:
    """What tells a tensor's bytes from others, be they kept whole or not; None for a number."""
    if isinstance(entry, Summary):
        return entry.digest
    return xxhash.xxh3_128_hexdigest(entry) if isinstance(entry, bytes) else None
