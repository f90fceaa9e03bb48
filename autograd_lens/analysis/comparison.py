"""Two recordings side by side: where they first part, of what kind that is, and what follows.

NOTE 1 [Equal is cheap, parting is looked at]: light rows tell in which step two runs part. Only
that step is opened, on both sides, and its kernels are laid beside each other by what they do
(operator, phase, shapes), not by names or lines: a renamed module or a moved line is no
difference. The first pair that got the same and gave something else is where the runs part; or
the first tensor from outside that is another one; or the first kernel that has no partner, where
what follows it differs.

NOTE 2 [Rounding is shown, not assumed]: whether a difference is rounding is for whoever can
execute the step again in float64 (``Judge``). Two runs that agree there to float64's own digits
mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import numpy as np

from autograd_lens.trace.graph import leaves_unset, operator_name, tensors
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Constant, Kernel, Source, Step, TensorUse
from autograd_lens.trace.rows import LightRow
from autograd_lens.trace.values import Entry, Summary, Value

__all__ = ["Comparison", "Growth", "Judge", "Judgement", "Kind", "Parting", "Side", "compare"]

Kind = Literal[
    "start", "input", "draw", "constant", "kernel", "result", "order", "update", "unknown"
]
"""What parted two runs: a parameter before the first step, something read from outside, random
numbers, a constant of the program, kernels that only one of them ran, the same kernel with another
result, kernels in another order, the update, or what cannot be told."""

_RANDOM = frozenset(
    {"bernoulli", "bernoulli_", "dropout", "exponential_", "multinomial", "native_dropout"}
    | {"normal", "normal_", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like"}
    | {"random_", "randperm", "uniform", "uniform_", "poisson", "geometric_", "cauchy_"}
)
_FILLS = frozenset({"copy_", "fill_", "zero_"})
_LAST_DIGITS = 4  # units in the last place that an update may differ by for rounding


@dataclass(frozen=True, slots=True)
class Side:
    """One run at the place where two of them part.

    Attributes:
        kernel: The kernel, None where this run has none there.
        what: What differs, in the run's own names: a tensor, a constant, an operator.
        value: Its value, None where it is none or was not kept.
        source: The line of the program, None where it is not known.
        line: The code in that line.
    """

    kernel: Kernel | None
    what: str
    value: Value | None
    source: Source | None
    line: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a difference is rounding.

    Attributes:
        rounding: Whether it is; None where that could not be found out.
        why: How it is known, with figures.
    """

    rounding: bool | None
    why: str


Judge = Callable[[Step, Step, Mapping[str, str]], tuple[bool | None, str]]
"""Takes a step of both runs and the parameters of the second by name of the first; says whether
they differ by rounding, as ``Judgement`` does."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two runs first differ.

    Attributes:
        step: The step.
        kind: What parted them.
        one: The first run there.
        other: The second.
        apart: Largest absolute difference of an element, NaN where that is not known.
        judgement: Whether it is rounding.
        reached: Parameters of the first run whose value behind that step differs.
    """

    step: int
    kind: Kind
    one: Side
    other: Side
    apart: float
    judgement: Judgement
    reached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """How far two runs are apart in one step.

    Attributes:
        step: The step.
        losses: Both losses.
        parameters: Largest absolute difference of an element of a parameter before the step,
            NaN where none was kept whole on both sides.
    """

    step: int
    losses: tuple[float, float]
    parameters: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs laid beside each other.

    Attributes:
        steps: How many steps each has.
        parting: Where they first differ; None where they do not in the steps they share.
        partners: Parameters of the second run by name of the first.
        unmatched: Parameters of the first and of the second that have no partner.
        growth: Some steps from the parting on.
    """

    steps: tuple[int, int]
    parting: Parting | None
    partners: Mapping[str, str]
    unmatched: tuple[tuple[str, ...], tuple[str, ...]]
    growth: tuple[Growth, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether losses, and parameters and gradients that have a partner, are the same."""
        return self.parting is None and self.steps[0] == self.steps[1]

    @property
    def rounding(self) -> bool:
        """Whether they part by rounding alone."""
        parting = self.parting
        same_length = self.steps[0] == self.steps[1]
        return same_length and parting is not None and parting.judgement.rounding is True


def compare(one: Trace, other: Trace, judge: Judge, tolerance: float = 0.0) -> Comparison:
    """Find where two runs first part.

    Args:
        one: The first run; light steps have to open where they are looked at.
        other: The second.
        judge: Tells rounding from another computation.
        tolerance: Differences up to this, absolute, are none.
    """
    partners, unmatched = _partners(one, other)
    pair = _Pair(one, other, partners, tolerance)
    steps = len(one.steps), len(other.steps)
    place = next((place for place in range(min(steps)) if pair.parts_in(place)), None)
    if place is None:
        return Comparison(steps, None, partners, unmatched)
    step, early = (place - 1, True) if place and pair.starts_apart(place) else (place, False)
    parting = _parting(pair, step, judge, updates=early)
    growth = tuple(pair.growth(at) for at in _spread(place, min(steps)))
    return Comparison(steps, parting, partners, unmatched, growth)


def _spread(first: int, end: int) -> Sequence[int]:
    """Some steps, denser at the beginning, the last one among them."""
    found = {first + distance for distance in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)}
    return sorted({*(step for step in found if step < end), end - 1})


def _partners(
    one: Trace, other: Trace
) -> tuple[Mapping[str, str], tuple[tuple[str, ...], tuple[str, ...]]]:
    """Parameters that are the same: by name, else by what they begin with, else in order.

    In order only where both runs have as many of a shape left: of layers that were merged or
    split, no part is the other's.
    """
    left = {name: parameter.shape for name, parameter in one.parameters.items()}
    right = {name: parameter.shape for name, parameter in other.parameters.items()}
    found = {name: name for name in left if right.get(name) == left[name]}
    begins = _beginnings(one), _beginnings(other)
    for name in left:
        if name not in found and name in begins[0]:
            wanted, free = begins[0][name], _free(right, found)
            match = next((r for r in free if begins[1].get(r) == wanted), None)
            found |= {name: match} if match is not None else {}
    for shape in dict.fromkeys(left.values()):
        mine = [name for name in left if left[name] == shape and name not in found]
        theirs = [name for name in _free(right, found) if right[name] == shape]
        found |= dict(zip(mine, theirs, strict=True)) if len(mine) == len(theirs) else {}
    return found, (tuple(name for name in left if name not in found), tuple(_free(right, found)))


def _free(names: Mapping[str, object], found: Mapping[str, str]) -> list[str]:
    taken = set(found.values())
    return [name for name in names if name not in taken]


def _beginnings(trace: Trace) -> Mapping[str, object]:
    """What each parameter is when it is first seen: shape and bytes, or their digest."""
    row = _row(trace, 0, last=False)
    if row is None:
        return {}
    pairs = zip(trace.parameters.values(), row.values, strict=False)
    keys = ((known, one.digest if isinstance(one, Summary) else one) for known, one in pairs)
    return {known.name: (known.shape, key) for known, key in keys if key is not None}


class _Pair:
    """Two traces with the parameters that are the same."""

    def __init__(
        self, one: Trace, other: Trace, partners: Mapping[str, str], tolerance: float
    ) -> None:
        self.one, self.other = one, other
        self.partners = partners
        self._tolerance = tolerance
        left = {name: index for index, name in enumerate(one.parameters)}
        right = {name: index for index, name in enumerate(other.parameters)}
        self._places = [(name, left[name], right[partner]) for name, partner in partners.items()]
        self._dtypes = {name: parameter.dtype for name, parameter in one.parameters.items()}

    def parts_in(self, step: int) -> bool:
        """Whether losses, parameters or gradients of a step differ."""
        losses = self.one.losses[step], self.other.losses[step]
        return (
            self._far(*losses)
            or self.starts_apart(step)
            or any(self._differ(name, *both) for name, *both in self._grads(step))
        )

    def starts_apart(self, step: int) -> bool:
        """Whether a parameter differs before a step."""
        return any(self._differ(name, *both) for name, *both in self._values(step))

    def apart(self, step: int) -> tuple[str, ...]:
        """The parameters that differ before a step, or at the end."""
        found = (name for name, *both in self._values(step) if self._differ(name, *both))
        return tuple(found)

    def growth(self, step: int) -> Growth:
        """How far they are apart in a step."""
        sizes = [self._size(name, *both) for name, *both in self._values(step)]
        known = [size for size in sizes if not math.isnan(size)]
        losses = float(self.one.losses[step]), float(self.other.losses[step])
        return Growth(step, losses, max(known, default=math.nan))

    def _values(self, step: int) -> Iterator[tuple[str, Entry, Entry]]:
        yield from self._entries(step, last=False)

    def _grads(self, step: int) -> Iterator[tuple[str, Entry, Entry]]:
        yield from self._entries(step, last=True)

    def _entries(self, step: int, *, last: bool) -> Iterator[tuple[str, Entry, Entry]]:
        one, other = (_row(trace, step, last=last) for trace in (self.one, self.other))
        if one is None or other is None:
            return
        left, right = (row.grads_after if last else row.values for row in (one, other))
        for name, here, there in self._places:
            if here < len(left) and there < len(right):
                yield name, left[here], right[there]

    def _differ(self, name: str, one: Entry, other: Entry) -> bool:
        if one == other or self._same_digest(one, other):
            return False
        if not self._tolerance:
            return True
        return not self._size(name, one, other) <= self._tolerance

    @staticmethod
    def _same_digest(one: Entry, other: Entry) -> bool:
        if not isinstance(one, Summary) or not isinstance(other, Summary):
            return False
        return one.digest == other.digest

    def _size(self, name: str, one: Entry, other: Entry) -> float:
        if not isinstance(one, bytes) or not isinstance(other, bytes) or len(one) != len(other):
            return 0.0 if one == other or self._same_digest(one, other) else math.nan
        shape = self.one.parameters[name].shape
        return distance(*(Value(self._dtypes[name], shape, data) for data in (one, other)))

    def _far(self, one: float, other: float) -> bool:
        if one == other or (math.isnan(one) and math.isnan(other)):
            return False
        return not abs(one - other) <= self._tolerance


def _row(trace: Trace, step: int, *, last: bool) -> LightRow | None:
    """The first or last light row of a step."""
    if step >= len(trace.steps):
        return None
    rows = trace.light_step(step).rows
    return rows[-1 if last else 0] if rows else None


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


# -- the step where they part -----------------------------------------------------------------


def _parting(pair: _Pair, step: int, judge: Judge, *, updates: bool) -> Parting:
    one, other = pair.one.steps[step], pair.other.steps[step]
    reached = pair.apart(step + 1) if step + 1 < len(pair.one.steps) else ()
    if step == 0 and pair.starts_apart(0):
        return _start(pair, one, other, reached)
    found = _first_difference(pair, one, other) if one.kernels and other.kernels else None
    if found is None:
        why = next((s for s in (*one.omitted, *other.omitted)), "No kernel of it differs.")
        nobody = Side(None, f"step {step}", None, None, "")
        judged = Judgement(None, f"The step could not be compared kernel by kernel: {why}")
        return Parting(step, "unknown", nobody, nobody, math.nan, judged, reached)
    kind, left, right = found
    judged = Judgement(rounding=False, why="")
    if kind in {"result", "kernel", "order"}:
        told = _last_digits(pair, one, other) if updates else judge(one, other, pair.partners)
        judged = Judgement(*told)
    return Parting(step, kind, left, right, distance(left.value, right.value), judged, reached)


def _start(pair: _Pair, one: Step, other: Step, reached: tuple[str, ...]) -> Parting:
    name = pair.apart(0)[0]
    partner = pair.partners[name]
    values = one.parameters[name].before, other.parameters[partner].before
    sides = [
        Side(None, what, value, None, "")
        for what, value in zip((name, partner), values, strict=True)
    ]
    judged = Judgement(rounding=False, why="They begin at other values.")
    return Parting(0, "start", sides[0], sides[1], distance(*values), judged, reached)


def _last_digits(pair: _Pair, one: Step, other: Step) -> tuple[bool | None, str]:
    """Whether updates differ by no more than the last digits of what they change."""
    worst = 0.0
    for name, partner in pair.partners.items():
        left, right = one.parameters[name], other.parameters[partner]
        if left.after is None or right.after is None or left.before is None:
            continue
        if not (left.after.complete and right.after.complete and left.before.complete):
            return None, f"{name} was not kept whole behind the step."
        arrays = [np.abs(value.array) for value in (left.before, left.after)]
        if arrays[0].dtype.kind != "f":
            continue
        unit = np.spacing(np.maximum(*arrays))
        apart = np.abs(left.after.array - right.after.array)
        worst = max(worst, float((apart / unit).max(initial=0.0)))
    words = f"The parameters differ by at most {worst:.3g} units in the last place"
    return worst <= _LAST_DIGITS, f"{words} (rounding: up to {_LAST_DIGITS})."


def _first_difference(pair: _Pair, one: Step, other: Step) -> tuple[Kind, Side, Side] | None:
    """The first place where two steps part, kernel by kernel (NOTE 1)."""
    left, right = one.kernels, other.kernels
    matcher = SequenceMatcher(
        None, [_key(kernel) for kernel in left], [_key(kernel) for kernel in right], autojunk=False
    )
    alone: tuple[Sequence[Kernel], Sequence[Kernel]] | None = None
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            alone = alone or (left[i1:i2], right[j1:j2])
            continue
        for here, there in zip(left[i1:i2], right[j1:j2], strict=True):
            found = _compared(pair, here, there, alone)
            if found is not None:
                return found
    return _alone(pair, *alone) if alone else None


def _key(kernel: Kernel) -> tuple[object, ...]:
    shapes = tuple(use.spec.shape for use in kernel.outputs)
    return kernel.op, kernel.phase, shapes


def _compared(
    pair: _Pair,
    one: Kernel,
    other: Kernel,
    alone: tuple[Sequence[Kernel], Sequence[Kernel]] | None,
) -> tuple[Kind, Side, Side] | None:
    """How two kernels that do the same differ; None where they give the same."""
    results = list(zip(one.outputs, other.outputs, strict=False))
    changed = [(a, b) for a, b in results if not _same(a.value, b.value)]
    constants = list(zip(_constants(one), _constants(other), strict=False))
    if not changed or leaves_unset(one):
        return None
    for a, b in zip(tensors(one.inputs), tensors(other.inputs), strict=False):
        if _same(a.value, b.value) or (a.tensor == changed[0][0].tensor and _overwrites(one)):
            continue
        if alone is not None:
            return _alone(pair, *alone)
        kind: Kind = "draw" if _is_random(one) else "input"
        return kind, _side(pair.one, one, a), _side(pair.other, other, b)
    a, b = changed[0]
    apart = next(((x, y) for x, y in constants if x[1] != y[1]), None)
    if apart is not None:
        sides = [
            _named(trace, kernel, f"{name} = {_shown(constant.value)}", use.value)
            for trace, kernel, (name, constant), use in (
                (pair.one, one, apart[0], a),
                (pair.other, other, apart[1], b),
            )
        ]
        return "constant", sides[0], sides[1]
    kind = "draw" if _is_random(one) else "result"
    return kind, _side(pair.one, one, a), _side(pair.other, other, b)


def _alone(pair: _Pair, one: Sequence[Kernel], other: Sequence[Kernel]) -> tuple[Kind, Side, Side]:
    """Kernels that only one of two runs ran, or both in another order."""
    same = sorted(map(_key, one), key=str) == sorted(map(_key, other), key=str)
    kind: Kind = "order" if same and one else "kernel"
    sides = [
        _named(trace, kernels[0], kernels[0].op, _result(kernels[0]))
        if kernels
        else Side(None, "nothing", None, None, "")
        for trace, kernels in ((pair.one, one), (pair.other, other))
    ]
    return kind, sides[0], sides[1]


def _result(kernel: Kernel) -> Value | None:
    return kernel.outputs[0].value if kernel.outputs else None


def _side(trace: Trace, kernel: Kernel, use: TensorUse) -> Side:
    return _named(trace, kernel, use.spec.name or kernel.op, use.value)


def _named(trace: Trace, kernel: Kernel, what: str, value: Value | None) -> Side:
    return Side(kernel, what, value, kernel.source, trace.line(kernel.source))


def _constants(kernel: Kernel) -> Iterator[tuple[str, Constant]]:
    for argument in kernel.inputs:
        values = argument.value if isinstance(argument.value, tuple) else (argument.value,)
        yield from ((argument.name, value) for value in values if isinstance(value, Constant))


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _same(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return True  # not known is not different
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.data is not None and other.data is not None:
        return one.data == other.data
    if one.summary is not None and other.summary is not None:
        return one.summary.digest == other.summary.digest
    return True


def _is_random(kernel: Kernel) -> bool:
    return operator_name(kernel) in _RANDOM


def _overwrites(kernel: Kernel) -> bool:
    """Whether an in-place kernel does not look at what it changes."""
    name = operator_name(kernel)
    return name.endswith("_") and (_is_random(kernel) or name in _FILLS)
