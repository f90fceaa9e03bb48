"""What is kept in a run's file beside its steps: the loss around it, and its optimizers.

Of the surface the bytes are: a magic word, the length of a JSON header (uint32), the header, then
the arrays ``u, v, origin, first, second, loss``, all little-endian float64. Curvatures are JSON.
Nothing in either is executed. Optimizers are JSON, as capture described them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from autograd_lens.trace.reader import Trace
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.stored import from_bytes, to_bytes
from autograd_lens.trace.values import Floats

__all__ = [
    "CURVATURE",
    "OPTIMIZERS",
    "SURFACE",
    "Curvature",
    "Curvatures",
    "Numbers",
    "Optimizer",
    "OptimizerGroup",
    "Options",
    "Surface",
    "between",
    "noted_numbers",
    "replaced_optimizers",
    "stored_curvatures",
    "stored_optimizers",
]

Size = Annotated[int, msgspec.Meta(ge=0)]

SURFACE = "surface"
"""Where a trace keeps the surface of its default plane: ``writer.extra(SURFACE, bytes)``."""

CURVATURE = "curvature"
"""Where a trace keeps its curvatures."""

OPTIMIZERS = "optimizers"
"""Where a trace keeps its optimizers."""

_NUMBERS = "numbers"

Numbers = dict[str, int | float]
Options = dict[str, bool | str | tuple[int | float | None, ...]]

_MAGIC = b"LENSURF1"
_MOST_HEADER = 1 << 24
_ARRAYS = ("u", "v", "origin", "first", "second", "loss")


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The loss over a grid in a plane through the space of all parameters.

    The plane's points are ``origin + u * first + v * second``, each a flat array of all
    parameters one after the other, in the order of ``names``, elements in row-major order. Where
    the plane is spanned by two scalars of the model, ``first`` and ``second`` are 1 at one element
    and ``origin`` is 0 there, so that ``u`` and ``v`` are the scalars themselves.

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
        size = len(self.u), len(self.v)
        header = _Header(self.names, self.shapes, size, self.step, self.provenance)
        text = to_bytes(header)
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
        except (ValueError, struct.error) as error:
            damaged("its loss surface cannot be read", error)

    def at(self, points: Floats) -> Floats:
        """The loss between the points of the grid, bilinear, NaN outside: (..., 2) to (...).

        The grid has 2 positions or more along each direction.
        """
        return between(self.u, self.v, self.loss, points)


class _Header(msgspec.Struct, frozen=True):
    """What stands before the arrays; ``size`` is the number of positions along u and v."""

    names: tuple[str, ...]
    shapes: tuple[tuple[Size, ...], ...]
    size: tuple[Size, Size]
    step: Size
    provenance: str


def _parse(data: bytes) -> Surface:
    start = len(_MAGIC) + 4
    (length,) = struct.unpack("<I", data[len(_MAGIC) : start])
    if not data.startswith(_MAGIC) or length > _MOST_HEADER:
        msg = "no surface"
        raise ValueError(msg)
    header = from_bytes(data[start : start + length], _Header, "its loss surface")
    n, m = header.size
    elements = sum(map(math.prod, header.shapes))
    counts = (n, m, elements, elements, elements, n * m)
    # Sizes are compared before anything is allocated: a header may claim any size.
    if len(data) - start - length != 8 * sum(counts):
        msg = "the header does not fit the data"
        raise ValueError(msg)
    flat = np.frombuffer(data[start + length :], "<f8").astype(np.float64, copy=False)
    u, v, origin, first, second, loss = np.split(flat, np.cumsum(counts)[:-1])
    named = (header.names, header.shapes, header.step, header.provenance)
    return Surface(u, v, loss.reshape(m, n), origin, first, second, *named)


def between(u: Floats, v: Floats, heights: Floats, points: Floats) -> Floats:
    """Heights between the points of a grid, bilinear, NaN outside.

    Args:
        u: Rising positions along the first direction, 2 or more: (n,).
        v: Along the second: (m,).
        heights: (m, n).
        points: (..., 2).

    Returns:
        (...).
    """
    column, right = _cell(u, points[..., 0])
    row, up = _cell(v, points[..., 1])
    lower = heights[row, column] * (1 - right) + heights[row, column + 1] * right
    upper = heights[row + 1, column] * (1 - right) + heights[row + 1, column + 1] * right
    height: Floats = lower * (1 - up) + upper * up
    return height


def _cell(marks: Floats, places: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """The interval that each place lies in, and how far into it, NaN outside."""
    left = np.clip(np.searchsorted(marks, places, side="right") - 1, 0, len(marks) - 2)
    share = (places - marks[left]) / (marks[left + 1] - marks[left])
    slack = 1e-9  # of an interval: an end may have been rounded
    inside = (share >= -slack) & (share <= 1 + slack)
    return left.astype(np.intp), np.where(inside, share, np.nan)


@dataclass(frozen=True, slots=True)
class Curvature:
    """The loss of one step's batch around the parameters of that step.

    Attributes:
        step: The step.
        gradient_norm: Euclidean norm of the gradient.
        largest: The Hessian's eigenvalue of largest magnitude; its sign says whether the loss
            curves up or down there.
        rounds: Rounds of Lanczos' method it took; 0 where the whole Hessian was computed.
    """

    step: int
    gradient_norm: float
    largest: float
    rounds: int

    @property
    def stable_rate(self) -> float:
        """The largest learning rate at which plain gradient descent does not diverge here.

        Infinite where the loss does not curve up.
        """
        return 2 / self.largest if self.largest > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Curvatures:
    """The curvature at some steps of a run.

    Attributes:
        points: The steps at which it is known, in order.
        missing: Why it is known at none, one sentence; ``""`` where there are points.
    """

    points: tuple[Curvature, ...]
    missing: str = ""

    def to_bytes(self) -> bytes:
        """Everything as JSON."""
        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Curvatures:
        """What ``to_bytes`` wrote.

        Raises:
            NotATraceError: It is damaged.
        """
        return from_bytes(data, cls, "its curvature")


def stored_curvatures(trace: Trace) -> Curvatures | None:
    """What a trace keeps of its curvature; None where nobody measured it.

    Raises:
        NotATraceError: What it keeps is damaged.
    """
    data = trace.extra(CURVATURE)
    return None if data is None else Curvatures.from_bytes(data)


class OptimizerGroup(msgspec.Struct, frozen=True):
    """A group of parameters that share their numbers.

    Attributes:
        size: How many of the optimizer's parameters are in it, in their order.
        attributes: Its numbers by name; those of a tuple are ``betas[0]``, ``betas[1]``.
        options: Its switches, words and tuples that hold more than numbers, by name.
    """

    size: Size
    attributes: Numbers
    options: Options = {}


class Optimizer(msgspec.Struct, frozen=True):
    """An optimizer of the program, as capture last described it.

    Attributes:
        name: The variable that holds it.
        kind: Its class, qualified.
        attributes: Numbers of its first group; of a handwritten one, those among its attributes.
        options: Switches, words and tuples of the same, by name.
        holds: What it updates: indexes of parameters, None for a tensor that no backward reached.
        groups: They divide ``holds``; a handwritten one has none.
        until: The step at which it was seen that another one updates what it did; None for one
            of which that is not known, be it gone or not.
    """

    kind: str = msgspec.field(name="class")
    name: str = ""
    attributes: Numbers = {}
    options: Options = {}
    holds: tuple[Size | None, ...] = ()
    groups: tuple[OptimizerGroup, ...] = ()
    until: Size | None = None

    @property
    def parts(self) -> Sequence[OptimizerGroup]:
        """Its groups; one of all that it holds where it has none."""
        return self.groups or (OptimizerGroup(len(self.holds), self.attributes, self.options),)


def stored_optimizers(trace: Trace) -> tuple[Optimizer, ...]:
    """The program's optimizers and schedulers, in the order in which they were found.

    Raises:
        NotATraceError: What the trace keeps of them is damaged.
    """
    return tuple(one for one in _optimizers(trace) if one.until is None)


def replaced_optimizers(trace: Trace) -> tuple[tuple[int, Optimizer], ...]:
    """Those that others took the place of, with the step at which that was seen.

    Raises:
        NotATraceError: What the trace keeps of them is damaged.
    """
    return tuple((one.until, one) for one in _optimizers(trace) if one.until is not None)


def _optimizers(trace: Trace) -> tuple[Optimizer, ...]:
    data = trace.extra(OPTIMIZERS)
    what = "what it says of its optimizers"
    return () if data is None else from_bytes(data, tuple[Optimizer, ...], what)


def noted_numbers(trace: Trace) -> Iterator[tuple[int, int | None, list[Numbers]]]:
    """The numbers of torch's optimizers wherever they changed, in order.

    Yields:
        The row of the trace that notes them, the optimizer's first parameter (its index; None
        for one that no backward reached), and the numbers of each of its groups.

    Raises:
        NotATraceError: What the trace keeps of them is damaged.
    """
    sort = list[tuple[Size | None, list[Numbers]]]
    for row, data in trace.rows.extra_column(_NUMBERS):
        if not isinstance(data, bytes):
            damaged("what it says of its optimizers is no text")
        for first, groups in from_bytes(data, sort, "what it says of its optimizers"):
            yield row, first, groups
