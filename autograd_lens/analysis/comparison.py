"""Two recordings side by side: where they first part, of what kind that is, and what follows.

NOTE 1 [Equal is cheap, parting is looked at]: light rows tell in which step two runs part. Only
that step is opened, on both sides, and its tapes are laid beside each other (``parting``).

NOTE 2 [Rounding is shown, not assumed]: whether a difference is rounding is for whoever can
execute the step again in float64 (``Judge``). Two runs that agree there to float64's own digits
mean the same, in that step. Where they are suddenly far apart in a later one, that one is looked
at, with what is close counted as the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np

from autograd_lens.analysis.alignment import Side
from autograd_lens.analysis.nearness import Same, close, distance, the_same
from autograd_lens.analysis.parting import (
    Found,
    Kind,
    first_difference,
    given_otherwise,
    kept_apart,
    made_otherwise,
)
from autograd_lens.trace.kept import noted_numbers, stored_optimizers
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.trace.rows import LightRow
from autograd_lens.trace.values import Entry, Floats, Value, alike, item_size

__all__ = [
    "Comparison",
    "Edit",
    "Growth",
    "Judge",
    "Judgement",
    "Kind",
    "Merged",
    "Parting",
    "Side",
    "compare",
    "settings_in",
]

Merged = tuple[tuple[str, ...], tuple[str, ...]]

_SETTLED = 3  # steps in which what modules keep has been written and read; mostly kept in full
_JUDGED = frozenset({"dtype", "kernel", "order", "result", "rows"})
_JUMP = 100.0  # times as far apart as the step before is no rounding that grew
_FAR = 2e-3  # of the loss or of an update's size; nearer is not looked at twice
_NOISE = 1e-3  # of the largest gradient
_MOST_EDITS = 200


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
class Edit:
    """Lines that are in one program's text and not in the other's.

    Attributes:
        files: The file in each run.
        lines: The line in each, counted from 1, at which they stand or are missing.
        texts: The lines of each, stripped.
    """

    files: tuple[str, str]
    lines: tuple[int, int]
    texts: tuple[tuple[str, ...], tuple[str, ...]]


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
        rounding_since: The step since when they had differed by rounding; -1 where they had not.
    """

    step: int
    kind: Kind
    one: Side
    other: Side
    apart: float
    judgement: Judgement
    reached: tuple[str, ...]
    rounding_since: int = -1


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
        merged: Parameters of the first run and of the second that hold the same numbers, one
            after the other: three layers that were made one.
        unmatched: Parameters of the first and of the second that have no partner.
        growth: Some steps from the parting on.
        edits: Where the texts of both programs differ.
    """

    steps: tuple[int, int]
    parting: Parting | None
    partners: Mapping[str, str]
    merged: tuple[Merged, ...]
    unmatched: tuple[tuple[str, ...], tuple[str, ...]]
    growth: tuple[Growth, ...] = ()
    edits: tuple[Edit, ...] = ()

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
    pair = _Pair(one, other, tolerance)
    steps = len(one.steps), len(other.steps)
    edits = tuple(_edits(one, other))
    found = Comparison(steps, None, pair.partners, pair.merged, pair.unmatched, edits=edits)
    place = next((place for place in range(min(steps)) if pair.parts_in(place)), None)
    if place is None and steps[0] == steps[1] and pair.starts_apart(steps[0]):
        place = steps[0]  # by the last update
    parting = _kept_apart(pair, min(steps)) if place is None else _first(pair, place, judge)
    if parting is None:
        return found
    place = parting.step if place is None else place
    growth = tuple(pair.growth(at) for at in _spread(place, min(steps)))
    return replace(found, parting=parting, growth=growth)


def _kept_apart(pair: _Pair, steps: int) -> Parting | None:
    """What modules keep otherwise, where losses, gradients and parameters are the same."""
    for step in range(1, min(_SETTLED, steps)):
        found = kept_apart(pair.one.steps[step], pair.other.steps[step], pair.partners)
        if found is not None:
            first, (kind, one, other) = _given_before(pair, step, found) or (step, found)
            judged = Judgement(
                rounding=False, why="All losses, gradients and parameters are the same."
            )
            sides = _with_lines(pair, one, other)
            return Parting(first, kind, *sides, distance(one.value, other.value), judged, ())
    return None


def _given_before(pair: _Pair, step: int, found: Found) -> tuple[int, Found] | None:
    """The step before, where a constant was another one already and nothing shows it yet."""
    kind, one, other = found
    if kind != "constant" or one.kernel is None or other.kernel is None:
        return None
    steps = pair.one.steps[step - 1], pair.other.steps[step - 1]
    earlier = given_otherwise(*steps, pair.partners, (one.kernel, other.kernel))
    return None if earlier is None else (step - 1, earlier)


def _first(pair: _Pair, place: int, judge: Judge) -> Parting:
    """Where they part, or, behind what is rounding alone, where they part for good."""
    early = bool(place) and pair.starts_apart(place)
    first = _parting(pair, place - early, judge, early=early)
    if first.judgement.rounding is False or first.kind == "unknown":
        return first
    jump = pair.jump(first.step)
    if jump is None:
        return first
    later = _parting(pair, jump[0], judge, early=jump[1], nearly=True)
    if later.kind in {"dtype", "result", "unknown"}:  # no more than rounding that has grown
        return first
    return replace(later, rounding_since=first.step)


def _spread(first: int, end: int) -> Sequence[int]:
    """Some steps, denser at the beginning, the last one among them."""
    found = {first + distance for distance in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)}
    return sorted({*(step for step in found if step < end), max(end - 1, 0)})


# -- which parameters are the same ----------------------------------------------------------------


def _partners(one: Trace, other: Trace) -> tuple[Mapping[str, str], tuple[Merged, ...]]:
    """Parameters that are the same: by name, else by what they begin with, else in order.

    In order only where both runs have as many of a shape left. Layers that were merged or split
    are known by what they begin with.
    """
    left = {name: parameter.shape for name, parameter in one.parameters.items()}
    right = {name: parameter.shape for name, parameter in other.parameters.items()}
    found = {name: name for name in left if right.get(name) == left[name]}
    begins = _beginnings(one), _beginnings(other)
    for name, entry in begins[0].items():
        if name not in found:
            wanted, free = (left[name], entry), _free(right, found)
            match = next((r for r in free if (right[r], begins[1].get(r)) == wanted), None)
            found |= {name: match} if match is not None else {}
    mine, theirs = ([n for n in left if n not in found], _free(right, found))
    merged = [
        *((parts, (whole,)) for whole, parts in _joined(begins[1], theirs, begins[0], mine)),
        *(((whole,), parts) for whole, parts in _joined(begins[0], mine, begins[1], theirs)),
    ]
    taken = {name for pair in merged for names in pair for name in names}
    for shape in dict.fromkeys(left.values()):
        ours = [n for n in left if left[n] == shape and n not in found and n not in taken]
        free = [n for n in _free(right, found) if right[n] == shape and n not in taken]
        found |= dict(zip(ours, free, strict=True)) if len(ours) == len(free) else {}
    return found, tuple(merged)


def _joined(
    whole: Mapping[str, Entry], wholes: Sequence[str], parts: Mapping[str, Entry], free: list[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Parameters that begin as others do one after the other, with the names of these."""
    for name in wholes:
        rest, used = whole.get(name), list[str]()
        while isinstance(rest, bytes) and rest:
            begins = (
                (one, entry)
                for one in free
                if one not in used
                and isinstance(entry := parts.get(one), bytes)
                and entry
                and rest.startswith(entry)
            )
            part = next(begins, None)
            if part is None:
                break
            used.append(part[0])
            rest = rest[len(part[1]) :]
        if rest == b"" and len(used) > 1:
            yield name, tuple(used)


def _free(names: Mapping[str, object], found: Mapping[str, str]) -> list[str]:
    taken = set(found.values())
    return [name for name in names if name not in taken]


def _beginnings(trace: Trace) -> Mapping[str, Entry]:
    """What each parameter is when it is first seen."""
    row = _row(trace, 0, last=False)
    if row is None:
        return {}
    pairs = zip(trace.parameters, row.values, strict=False)
    return {name: trace.whole(entry) for name, entry in pairs if entry is not None}


# -- rows of both runs ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Parameters of both runs that hold the same, with where rows hold them.

    Attributes:
        names: The first run's names.
        columns: Their positions in the rows of each run; several where they were merged.
        dtypes: Their dtype in each run.
    """

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], tuple[int, ...]]
    dtypes: tuple[str, str]


Both = tuple[Entry, Entry]


class _Pair:
    """Two traces with the parameters that are the same.

    Attributes:
        one: The first trace.
        other: The second.
        partners: Parameters of the second by name of the first.
        merged: Those of which several are one on the other side.
        unmatched: Those of each that have no partner.
    """

    def __init__(self, one: Trace, other: Trace, tolerance: float) -> None:
        self.one, self.other = one, other
        self._tolerance = tolerance
        self.partners, self.merged = _partners(one, other)
        pairs = [((name,), (partner,)) for name, partner in self.partners.items()]
        together = [*pairs, *self.merged]
        self._places = [_place(one, other, *names) for names in together]
        known = [{name for pair in together for name in pair[side]} for side in (0, 1)]
        left = tuple(name for name in one.parameters if name not in known[0])
        self.unmatched = left, tuple(name for name in other.parameters if name not in known[1])

    def parts_in(self, step: int) -> bool:
        """Whether losses, parameters or gradients of a step differ."""
        losses = self.one.losses[step], self.other.losses[step]
        return (
            self._far(*losses)
            or self.starts_apart(step)
            or any(self._differ(place, both) for place, both in self._entries(step, last=True))
        )

    def starts_apart(self, step: int) -> bool:
        """Whether a parameter differs before a step."""
        return bool(self.apart(step))

    def apart(self, step: int) -> tuple[str, ...]:
        """The parameters that differ before a step, or at the end."""
        found = self._entries(step, last=False)
        apart = (place.names for place, both in found if self._differ(place, both))
        return tuple(name for names in apart for name in names)

    def growth(self, step: int) -> Growth:
        """How far they are apart in a step."""
        sizes = [_size(place, both) for place, both in self._entries(step, last=False)]
        known = [size for size in sizes if not math.isnan(size)]
        losses = float(self.one.losses[step]), float(self.other.losses[step])
        return Growth(step, losses, max(known, default=math.nan))

    def jump(self, first: int) -> tuple[int, bool] | None:
        """The step behind ``first`` in which they are suddenly far apart (NOTE 2).

        Returns:
            The step, and whether it is its update that they differ in; None where there is none.
        """
        most = 0.0
        for step in range(first, min(len(self.one.steps), len(self.other.steps))):
            for share, update in ((self._loss_share(step), False), (self._moved(step), True)):
                if step > first and share > max(_FAR, _JUMP * most):
                    return step, update
                most = max(most, share)
        return None

    def _moved(self, step: int) -> float:
        """How far the updates of a step are apart, as a share of the largest move.

        Elements whose gradient is little beside the others' are left out: where it cancels out,
        rounding is all of it, and Adam makes whole steps of that.
        """
        grads = {p.names: _arrays(p, both) for p, both in self._entries(step, last=True)}
        largest = max(
            (float(np.abs(one[0]).max(initial=0.0)) for one in grads.values() if one), default=0.0
        )
        befores = {p.names: _arrays(p, both) for p, both in self._entries(step, last=False)}
        worst = 0.0
        for place, both in self._entries(step + 1, last=False):
            after, before, grad = (
                _arrays(place, both),
                befores.get(place.names),
                grads.get(place.names),
            )
            if not (after and before and grad):
                continue
            moves = [b - a for a, b in zip(before, after, strict=True)]
            counts = np.abs(grad[0]) > _NOISE * largest
            size = float(np.abs(moves[0][counts]).max(initial=0.0))
            apart = float(np.abs(moves[0] - moves[1])[counts].max(initial=0.0))
            worst = max(worst, apart / size if size and math.isfinite(apart) else 0.0)
        return worst

    def _loss_share(self, step: int) -> float:
        one, other = float(self.one.losses[step]), float(self.other.losses[step])
        size = max(abs(one), abs(other))
        return abs(one - other) / size if size and math.isfinite(one - other) else 0.0

    def _entries(self, step: int, *, last: bool) -> Iterator[tuple[_Place, Both]]:
        one, other = (_row(trace, step, last=last) for trace in (self.one, self.other))
        if one is None or other is None:
            return
        left, right = (row.grads_after if last else row.values for row in (one, other))
        for place in self._places:
            if max(place.columns[0]) < len(left) and max(place.columns[1]) < len(right):
                yield place, (_at(left, place.columns[0]), _at(right, place.columns[1]))

    def _differ(self, place: _Place, both: Both) -> bool:
        one, other = both
        if place.dtypes[0] == place.dtypes[1] and alike(one, other):
            return False
        if (one is None) != (other is None):
            return True
        apart = _size(place, both)
        return apart != 0 if not self._tolerance else not apart <= self._tolerance

    def _far(self, one: float, other: float) -> bool:
        if one == other or (math.isnan(one) and math.isnan(other)):
            return False
        return not abs(one - other) <= self._tolerance


def _place(one: Trace, other: Trace, ours: Sequence[str], theirs: Sequence[str]) -> _Place:
    columns = [
        tuple(list(trace.parameters).index(name) for name in names)
        for trace, names in ((one, ours), (other, theirs))
    ]
    dtypes = one.parameters[ours[0]].dtype, other.parameters[theirs[0]].dtype
    return _Place(tuple(ours), (columns[0], columns[1]), dtypes)


def _at(entries: Sequence[Entry], columns: Sequence[int]) -> Entry:
    """The entry of a parameter, or of several one after the other."""
    found = [entries[column] for column in columns]
    if len(found) == 1:
        return found[0]
    parts = [one for one in found if isinstance(one, bytes)]
    return b"".join(parts) if len(parts) == len(found) else None


def _arrays(place: _Place, both: Both) -> tuple[Floats, Floats] | None:
    """Both entries in float64; None where one of them was not kept whole."""
    one, other = (_flat(entry, dtype) for entry, dtype in zip(both, place.dtypes, strict=True))
    if one is None or other is None or one.shape != other.shape or one.array.dtype.kind != "f":
        return None
    return one.array.astype(np.float64), other.array.astype(np.float64)


def _size(place: _Place, both: Both) -> float:
    """How far two entries are apart; NaN where it is not known."""
    if both[0] is None and both[1] is None:
        return 0.0
    one, other = (_flat(entry, dtype) for entry, dtype in zip(both, place.dtypes, strict=True))
    if one is None or other is None or one.shape != other.shape:
        return 0.0 if place.dtypes[0] == place.dtypes[1] and alike(*both) else math.nan
    return distance(one, other)


def _flat(entry: Entry, dtype: str) -> Value | None:
    size = item_size(dtype)
    if not isinstance(entry, bytes) or not size:
        return None
    return Value(dtype, (len(entry) // size,), entry)


def _row(trace: Trace, step: int, *, last: bool) -> LightRow | None:
    """The first or last light row of a step; behind the last step the state at the end."""
    if step >= len(trace.steps):
        return trace.light_step(step - 1).behind if not last else None
    rows = trace.light_step(step).rows
    return rows[-1 if last else 0] if rows else None


# -- the step where they part -----------------------------------------------------------------


def _parting(pair: _Pair, step: int, judge: Judge, *, early: bool, nearly: bool = False) -> Parting:
    """What parts two runs in a step.

    Args:
        pair: The runs.
        step: The step.
        judge: Tells rounding from another computation.
        early: Whether the updates of that step part them.
        nearly: Whether what is close counts as the same.
    """
    reached = pair.apart(step + 1)
    if step == 0 and pair.starts_apart(0) and not nearly:
        return _start(pair, reached)
    found = None if nearly else _as_written(pair, step)
    judged = Judgement(rounding=False, why="")
    if found is None or found[0] in _JUDGED:  # large values are needed whole
        both = pair.one.steps[step], pair.other.steps[step]
        found = _found(pair, *both, close if nearly else the_same)
        if found is None:
            return _unknown(step, both, reached)
        if not nearly and found[0] in _JUDGED:
            told = _last_digits(pair, *both) if early else judge(*both, pair.partners)
            judged = Judgement(*told)
            found = _beyond_rounding(pair, *both, found) if judged.rounding is False else found
    kind, left, right = _by_settings(pair, step, _where_made(pair, step, found))
    apart = distance(left.value, right.value)
    return Parting(step, kind, *_with_lines(pair, left, right), apart, judged, reached)


def _with_lines(pair: _Pair, one: Side, other: Side) -> tuple[Side, Side]:
    """Both sides with the code of their lines."""
    return (
        replace(one, line=pair.one.line(one.source)),
        replace(other, line=pair.other.line(other.source)),
    )


def _as_written(pair: _Pair, step: int) -> Found | None:
    """Where two full steps part, large values told apart by their digests."""
    one, other = pair.one.written(step), pair.other.written(step)
    return None if one is None or other is None else _found(pair, one, other, the_same)


def _found(pair: _Pair, one: Step, other: Step, same: Same) -> Found | None:
    """The first place where two steps part; None where they cannot be compared, or do not."""
    if not one.kernels or not other.kernels:
        return None
    return first_difference(one, other, pair.partners, same)


def _beyond_rounding(pair: _Pair, one: Step, other: Step, found: Found) -> Found:
    """Where more than rounding parts two steps, of which rounding may part them before that."""
    _, left, right = found
    if left.value is None or right.value is None or not close(left.value, right.value):
        return found
    beyond = _found(pair, one, other, close)
    return beyond if beyond is not None and beyond[0] not in {"dtype", "result"} else found


def _unknown(step: int, both: tuple[Step, Step], reached: tuple[str, ...]) -> Parting:
    why = next((s for one in both for s in one.omitted), "No kernel of it differs.")
    nobody = Side(None, f"step {step}", None, None)
    judged = Judgement(None, f"The step could not be compared kernel by kernel: {why}")
    return Parting(step, "unknown", nobody, nobody, math.nan, judged, reached)


def _start(pair: _Pair, reached: tuple[str, ...]) -> Parting:
    name = pair.apart(0)[0]
    whole = next((theirs[0] for ours, theirs in pair.merged if name in ours), name)
    partner = pair.partners.get(name, whole)
    one, other = (
        trace.light(0).parameters[own].before
        for trace, own in ((pair.one, name), (pair.other, partner))
    )
    sides = Side(None, name, one, None), Side(None, partner, other, None)
    judged = Judgement(rounding=False, why="They begin at other values.")
    return Parting(0, "start", *sides, distance(one, other), judged, reached)


def _where_made(pair: _Pair, step: int, found: Found) -> Found:
    """Of an input that was made before the tape begins, how the next step makes its own."""
    kind, one, other = found
    if kind != "input" or step or one.kernel is None or other.kernel is None:
        return found
    left, right = pair.one.written(1), pair.other.written(1)
    if left is None or right is None:
        return found
    made = made_otherwise(left, right, (one.kernel, other.kernel))
    if made is None or made[0] not in {"constant", "kernel"}:
        return found
    return made


_LAST_DIGITS = 4  # units in the last place that an update may differ by for rounding


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


# -- what the program says ------------------------------------------------------------------------


def _by_settings(pair: _Pair, step: int, found: Found) -> Found:
    """Where an update parts two runs, the number of the optimizer that is another one."""
    kind, left, right = found
    phases = {side.kernel.phase for side in (left, right) if side.kernel is not None}
    if phases != {"update"} or kind not in {"constant", "dtype", "kernel", "result"}:
        return found
    ours, theirs = settings_in(pair.one, step), settings_in(pair.other, step)
    for name, partner in pair.partners.items():
        one, other = ours.get(name, {}), theirs.get(partner, {})
        for key in one:
            if key in other and one[key] != other[key]:
                words = [f"{key} = {_shown(numbers[key])}" for numbers in (one, other)]
                told: Kind = kind if key == "optimizer" else "constant"
                return told, replace(left, what=words[0]), replace(right, what=words[1])
    return found


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def settings_in(trace: Trace, step: int) -> Mapping[str, Mapping[str, object]]:
    """The numbers that each parameter's optimizer had in a step, by the parameter's name."""
    end = trace.rows.of_step(step).stop
    noted = {first: numbers for row, first, numbers in noted_numbers(trace) if row <= end}
    names, found = list(trace.parameters), dict[str, Mapping[str, object]]()
    for one in stored_optimizers(trace):
        groups = noted.get(next(iter(one.holds), None), ())
        held, kind = iter(one.holds), one.kind.rpartition(".")[2]
        for place, part in enumerate(one.parts):
            numbers = groups[place] if place < len(groups) else part.attributes
            switches = {
                key: value for key, value in part.options.items() if isinstance(value, bool)
            }
            for at in (next(held, None) for _ in range(part.size)):
                if at is not None and at < len(names):
                    found[names[at]] = {"optimizer": kind, **numbers, **switches}
    return found


def _edits(one: Trace, other: Trace) -> Iterator[Edit]:
    """Where the texts of both programs differ, files taken in pairs by name, else in order."""
    left, right = (trace.items.keys("source") for trace in (one, other))
    by_name = {file.rsplit("/", 1)[-1]: file for file in right}
    pairs = [(file, by_name.get(file.rsplit("/", 1)[-1])) for file in left]
    if len(left) == len(right) == 1:
        pairs = [(left[0], right[0])]
    for ours, theirs in pairs:
        texts = one.source(ours), other.source(theirs) if theirs else None
        if texts[0] is not None and texts[1] is not None and texts[0] != texts[1]:
            files = ours, str(theirs)
            yield from _of_texts(files, texts[0].splitlines(), texts[1].splitlines())


def _of_texts(files: tuple[str, str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[Edit]:
    opcodes = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    changed = [one for one in opcodes if one[0] != "equal"]
    for _, i1, i2, j1, j2 in changed[:_MOST_EDITS]:
        texts = [tuple(line.strip() for line in lines) for lines in (ours[i1:i2], theirs[j1:j2])]
        yield Edit(files, (i1 + 1, j1 + 1), (texts[0], texts[1]))
