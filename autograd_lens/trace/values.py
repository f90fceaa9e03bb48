"""The recorded value of one tensor: raw bytes, or a summary where it was too large."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Summary", "Value", "numpy_dtype"]

Array = npt.NDArray[Any]

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


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype that reads the raw bytes of a torch dtype.

    Args:
        name: A torch dtype without its prefix, for example ``"float32"``.

    Raises:
        TypeError: NumPy and ml_dtypes have no such dtype (quantized types).
    """
    if name in _EXTENDED:
        import ml_dtypes  # noqa: PLC0415  only traces in reduced precision need it

        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return extended
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
        """Whether every element was kept."""
        return self.data is not None

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
        if self.data is None:
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
