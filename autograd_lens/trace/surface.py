"""The loss over a plane through the space of all parameters, and its bytes.

The plane's points are ``origin + u * first + v * second``, each a flat array of all
parameters one after the other, in the order of ``names``, elements in row-major order. Where
the plane is spanned by two scalars of the model, ``first`` and ``second`` are 1 at one element
and ``origin`` is 0 there, so that ``u`` and ``v`` are the scalars themselves.

The bytes: a magic word, the length of a JSON header (uint32), the header, then the arrays
``u, v, origin, first, second, loss``, all little-endian float64. Nothing in them is executed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.schema import damaged

__all__ = ["STORED", "Surface"]

Floats = npt.NDArray[np.float64]

STORED = "surface"
"""Where a trace keeps the surface of its default plane: ``writer.extra(STORED, bytes)``."""

_MAGIC = b"LENSURF1"
_MOST_HEADER = 1 << 24
_ARRAYS = ("u", "v", "origin", "first", "second", "loss")


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The loss over a grid in a plane.

    ``p`` stands for the number of elements of all parameters together.

    Attributes:
        u: Positions along the first direction, rising: (n,).
        v: Positions along the second direction, rising: (m,).
        loss: The loss at each point, NaN or Inf where it has none: (m, n).
        origin: The point at u = v = 0: (p,).
        first: The first direction: (p,).
        second: The second direction: (p,).
        names: The parameters that the flat arrays are made of, in order.
        shapes: Their shapes.
        step: The step whose batch was used.
        provenance: How it was evaluated, one sentence.
    """

    u: Floats
    v: Floats
    loss: Floats
    origin: Floats
    first: Floats
    second: Floats
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    step: int
    provenance: str = ""

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together.

        Raises:
            ValueError: They do not.
        """
        for name, length in self._lengths().items():
            shape = (len(self.v), len(self.u)) if name == "loss" else (length,)
            given = getattr(self, name)
            if given.shape != shape or given.dtype != np.float64:
                msg = f"{name} must be float64 of shape {shape}, but is {given.dtype} {given.shape}"
                raise ValueError(msg)
        if len(self.names) != len(self.shapes):
            msg = f"{len(self.names)} parameters have {len(self.shapes)} shapes"
            raise ValueError(msg)

    def _lengths(self) -> dict[str, int]:
        elements = sum(math.prod(shape) for shape in self.shapes)
        n, m = len(self.u), len(self.v)
        return dict(zip(_ARRAYS, (n, m, elements, elements, elements, n * m), strict=True))

    def parameters(self, u: float, v: float) -> Mapping[str, Floats]:
        """All parameters at a point of the plane, by name, each in its shape."""
        flat = self.origin + u * self.first + v * self.second
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = np.split(flat, ends)
        shaped = (part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True))
        return dict(zip(self.names, shaped, strict=True))

    def to_bytes(self) -> bytes:
        """Everything as bytes, equal surfaces as equal bytes."""
        header = {
            "names": self.names,
            "shapes": self.shapes,
            "size": [len(self.u), len(self.v)],
            "step": self.step,
            "provenance": self.provenance,
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        arrays = (np.ascontiguousarray(getattr(self, name), "<f8").tobytes() for name in _ARRAYS)
        return b"".join([_MAGIC, struct.pack("<I", len(text)), text, *arrays])

    @classmethod
    def from_bytes(cls, data: bytes) -> Surface:
        """A surface from its bytes.

        Raises:
            NotATraceError: They are no surface, or are damaged.
        """
        try:
            return _parse(data)
        except (ValueError, TypeError, KeyError, struct.error, RecursionError) as error:
            damaged("its loss surface cannot be read", error)


def _parse(data: bytes) -> Surface:
    start = len(_MAGIC) + 4
    (length,) = struct.unpack("<I", data[len(_MAGIC) : start])
    if not data.startswith(_MAGIC) or length > _MOST_HEADER:
        msg = "no surface"
        raise ValueError(msg)
    header = json.loads(data[start : start + length])
    n, m = (_size(number) for number in header["size"])
    shapes = tuple(tuple(_size(number) for number in shape) for shape in header["shapes"])
    elements = sum(math.prod(shape) for shape in shapes)
    counts = (n, m, elements, elements, elements, n * m)
    # Sizes are compared before anything is allocated: a header may claim any size.
    if len(data) - start - length != 8 * sum(counts):
        msg = "the header does not fit the data"
        raise ValueError(msg)
    u, v, origin, first, second, loss = _split(data[start + length :], counts)
    names = tuple(_of_type(name, str) for name in header["names"])
    step, provenance = _size(header["step"]), _of_type(header["provenance"], str)
    grid = loss.reshape(m, n)
    return Surface(u, v, grid, origin, first, second, names, shapes, step, provenance)


def _split(data: bytes, counts: tuple[int, ...]) -> list[Floats]:
    flat = np.frombuffer(data, "<f8").astype(np.float64, copy=False)
    return np.split(flat, np.cumsum(counts)[:-1])


def _size(number: Any) -> int:  # noqa: ANN401  whatever the JSON holds
    if type(number) is not int or number < 0:
        msg = "a size must be a whole number, 0 or more"
        raise ValueError(msg)
    return number


def _of_type(value: Any, kind: type[str]) -> str:  # noqa: ANN401  whatever the JSON holds
    if not isinstance(value, kind):
        msg = f"a {kind.__name__} was expected"
        raise TypeError(msg)
    return value
