"""Two tapes of one step beside each other: where what differs in the end began.

NOTE 1 [Back from what differs]: kernels are laid beside each other by what they gave, and where
that is no help by what they do (operator, phase, shapes); names and lines play no part. From each
result that differs (a loss, a ``.grad``, a parameter behind its update) the tape is followed back
through kernels that gave what no partner gave. The first of them is where the runs part: all
that it was given is the same on both sides. What differs and leads to no result, as a norm that
is printed, is not met on the way.

NOTE 2 [The same forward]: where no loss differs and a gradient does, either a kernel that gives
the same has another derivative, or autograd was cut off: by ``detach``, by ``no_grad``, by a
parameter that needs no gradient. That is looked for in the forward.

NOTE 3 [Nearly the same]: two tapes whose kernels add in another order differ everywhere in the
last digits. What else parts them is found by counting as the same what is close.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

import numpy as np

from autograd_lens.trace.graph import (
    VIEWS,
    TapeIndex,
    leaves_unset,
    operator_name,
    tensors,
    writes_in_place,
)
from autograd_lens.trace.records import Constant, Kernel, Source, Step, TensorUse
from autograd_lens.trace.values import Value, digest, equal

__all__ = [
    "Kind",
    "Same",
    "Side",
    "close",
    "distance",
    "first_difference",
    "made_otherwise",
    "nodes_apart",
    "the_same",
]

Kind = Literal[
    "start",
    "input",
    "draw",
    "constant",
    "kernel",
    "result",
    "order",
    "graph",
    "mode",
    "clearing",
    "accumulation",
    "update",
    "unknown",
]
"""What parted two runs: a parameter before the first step, something that a kernel read, random
numbers, a constant of the program, kernels that only one of them ran, the same kernel with another
result, the same in another order, where autograd follows, whether a module trains, whether a
``.grad`` was cleared, how often backward ran before the update, whether a parameter is updated, or
what cannot be told."""

Same = Callable[[Value | None, Value | None], bool]
Names = Mapping[str, str]

_RANDOM = frozenset(
    {"bernoulli", "bernoulli_", "dropout", "exponential_", "multinomial", "native_dropout"}
    | {"normal", "normal_", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like"}
    | {"random_", "randperm", "uniform", "uniform_", "poisson", "geometric_", "cauchy_"}
)
_FILLS = frozenset({"copy_", "fill_", "zero_"})
_CLOSE = {"float16": 2e-2, "bfloat16": 6e-2, "float64": 1e-9}
_CLOSE_ELSE = 2e-4  # of the largest element; float32 after some layers


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
    line: str = ""


NOBODY = Side(None, "nothing", None, None)


def the_same(one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same bits, as far as is known: not known is not different.

    Of two dtypes, whether they are the same numbers.
    """
    if one is None or other is None:
        return True
    if one.dtype != other.dtype:
        return distance(one, other) == 0
    return equal(one, other) is not False


def close(one: Value | None, other: Value | None) -> bool:
    """Whether two values differ by no more than rounding may (NOTE 3)."""
    if the_same(one, other) or one is None or other is None:
        return True
    if one.shape != other.shape:
        return False
    if not one.complete or not other.complete:
        sizes = one.norm, other.norm
        return abs(sizes[0] - sizes[1]) <= _allowed(one, other) * max(map(abs, sizes))
    if one.array.dtype.kind not in "fc" or other.array.dtype.kind not in "fc":
        return bool(np.array_equal(one.array, other.array))
    scale = float(np.abs(np.nan_to_num(one.array)).max(initial=0.0))
    return distance(one, other) <= _allowed(one, other) * scale


def _allowed(one: Value, other: Value) -> float:
    return max(_CLOSE.get(value.dtype, _CLOSE_ELSE) for value in (one, other))


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


def first_difference(
    one: Step, other: Step, partners: Names, same: Same = the_same
) -> tuple[Kind, Side, Side] | None:
    """The first place where two steps part, kernel by kernel; None where no result differs.

    Args:
        one: A step in full.
        other: The other run's.
        partners: Parameters of the second run by name of the first.
        same: What counts as the same value.
    """
    return _Pair(one, other, partners, same).first()


def nodes_apart(
    one: Step, other: Step, partners: Names, same: Same = the_same
) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """The nodes of both main backwards that are not the same in the other step.

    Returns:
        For each step, by the node's index: ``"otherwise"`` where its forward gave something else
        or has no partner, ``"gradient"`` where only what it gave in backward is another.
    """
    pair = _Pair(one, other, partners, same)
    return _apart(pair.one), _apart(pair.other)


def _apart(tape: _Tape) -> Mapping[int, str]:
    """The nodes of a tape's main backward that have no equal."""
    number = tape.step.main_backward
    graph = tape.step.backwards[number].graph if number >= 0 else None
    found: dict[int, str] = {}
    for node in graph.nodes if graph is not None else ():
        made, run = tape.index.kernel_of(node), tape.index.run_of(node.index, number)
        if made is not None and made.index not in tape.alike:
            found[node.index] = "otherwise"
        elif run is not None and not tape.alike.issuperset(run.kernels):
            found[node.index] = "gradient"
    return found


def made_otherwise(
    one: Step, other: Step, readers: tuple[Kernel, Kernel]
) -> tuple[Kind, Side, Side] | None:
    """Where two steps begin to make an input otherwise.

    Args:
        one: A step in full.
        other: The other run's.
        readers: The kernels of another step that were given something else.
    """
    pairs = zip(tensors(readers[0].inputs), tensors(readers[1].inputs), strict=False)
    apart = (place for place, (a, b) in enumerate(pairs) if not the_same(a.value, b.value))
    return _Pair(one, other, {}, the_same).of_inputs(readers, next(apart, 0))


# -- which kernels are each other's --------------------------------------------------------------


def _pairs(
    left: Sequence[Kernel],
    right: Sequence[Kernel],
    keys: Sequence[Callable[[Kernel], Hashable]],
) -> Iterator[tuple[Kernel, Kernel]]:
    """Kernels of two tapes that belong together: by the first key, what is between by the next."""
    if not keys or not left or not right:
        return
    key, *further = keys
    ours, theirs = list(map(key, left)), list(map(key, right))
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(left[i1:i2], right[j1:j2], strict=True)
        else:
            yield from _pairs(left[i1:i2], right[j1:j2], further)


def _moved(left: Iterable[Kernel], right: Iterable[Kernel]) -> Iterator[tuple[Kernel, Kernel]]:
    """Kernels that did the same on the same, in another place of the tape.

    Where what changes something in place stands is not all the same.
    """
    waiting: dict[Hashable, list[Kernel]] = {}
    for kernel in right:
        if not _changes(kernel):
            waiting.setdefault((_gave(kernel), _took(kernel)), []).append(kernel)
    for kernel in left:
        if found := waiting.get((_gave(kernel), _took(kernel))):
            yield kernel, found.pop(0)


def _changes(kernel: Kernel) -> bool:
    given = {use.tensor for use in tensors(kernel.inputs)}
    return any(use.tensor in given for use in kernel.outputs)


def _took(kernel: Kernel) -> Hashable:
    """What a kernel was given."""
    return tuple(one.value and digest(one.value) for one in tensors(kernel.inputs))


def _gave(kernel: Kernel) -> Hashable:
    """What a kernel did and gave."""
    return (_given(kernel), _does(kernel))


def _given(kernel: Kernel) -> Hashable:
    """What a kernel gave; what it does where that is not known."""
    found = [(one.spec.shape, one.value and digest(one.value)) for one in kernel.outputs]
    if not found or leaves_unset(kernel) or any(bits is None for _, bits in found):
        return _does(kernel)
    return kernel.phase, *found


def _does(kernel: Kernel) -> Hashable:
    return kernel.op, kernel.phase, tuple(use.spec.shape for use in kernel.outputs)


class _Tape:
    """One side: its tape, and which of its kernels gave what their partner gave."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.kernels = step.kernels
        self.index = TapeIndex(step)
        self.partner: dict[int, Kernel] = {}
        self.alike: set[int] = set()

    @cached_property
    def _writers(self) -> Mapping[int, list[Kernel]]:
        """In-place kernels by the memory that they write."""
        found: dict[int, list[Kernel]] = {}
        for kernel in self.kernels:
            if writes_in_place(kernel):
                for memory in {self.index.memory(use.tensor) for use in kernel.outputs}:
                    found.setdefault(memory, []).append(kernel)
        return found

    @cached_property
    def _named(self) -> Mapping[str, list[Kernel]]:
        """The kernels that wrote a parameter (``w1``) or a ``.grad`` (``w1.grad``), in order."""
        found: dict[str, list[Kernel]] = {}
        for kernel in self.kernels:
            for use in kernel.outputs:
                if use.spec.name and use.spec.role in {"parameter", "gradient"}:
                    found.setdefault(use.spec.name, []).append(kernel)
        for kernel, name, _ in self.index.written:
            found.setdefault(name, []).append(kernel)
        return {name: sorted(some, key=lambda one: one.index) for name, some in found.items()}

    def last_writer(self, name: str, backward: int | None = None) -> Kernel | None:
        """The last kernel that wrote something with a name, in one of the backwards or at all."""
        found = self._named.get(name, [])
        if backward is not None:
            found = [k for k in found if k.phase == "backward" and k.backward == backward]
        return found[-1] if found else None

    def behind(self, ends: Iterable[Kernel]) -> set[int]:
        """Kernels that some kernels follow from, themselves included, that have no equal."""
        waiting, found = list(ends), set[int]()
        while waiting:
            kernel = waiting.pop()
            if kernel.index in found or kernel.index in self.alike:
                continue
            found.add(kernel.index)
            for use in tensors(kernel.inputs):
                waiting += self.makers(use.tensor, kernel.index)
        return found

    def makers(self, tensor: int, before: int) -> Iterator[Kernel]:
        """What made a tensor as a kernel finds it: its maker, and what wrote into it since."""
        made = self.index.maker(tensor, before)
        since = -1 if made is None else made.index
        if made is not None:
            yield made
        for kernel in self._writers.get(self.index.memory(tensor), ()):
            if since < kernel.index < before:
                yield kernel

    def source(self, kernel: Kernel) -> Source | None:
        """The line of a kernel; in a backward that of what it is the derivative of."""
        made = self.forward_of(kernel)
        runs = self.step.backwards
        call = runs[kernel.backward].source if kernel.backward < len(runs) else None
        return made.source if made is not None and kernel.source in (call, None) else kernel.source

    def forward_of(self, kernel: Kernel) -> Kernel | None:
        """The forward kernel that made the node in which a backward's kernel ran."""
        node = self.index.node_of(kernel) if kernel.phase == "backward" else None
        return self.index.kernel_of(node) if node is not None else None

    def cut(self) -> Kernel | None:
        """The first forward kernel at which autograd stops, and in the other run goes on."""
        loss = self.index.loss_kernel(self.step.main_backward)
        way = (
            {
                k.index
                for use in loss.outputs
                for k in self.index.ancestors(use.tensor, loss.index + 1)
            }
            if loss
            else set()
        )
        found = [
            kernel for kernel in self.kernels if kernel.phase == "forward" and self._cuts(kernel)
        ]
        return next((k for k in found if k.index in way), next(iter(found), None))

    def _cuts(self, kernel: Kernel) -> bool:
        if kernel.requires_grad is not False:
            return False
        partner = self.partner.get(kernel.index)
        if partner is not None:
            return partner.requires_grad is True
        return any(use.tensor in self._followed for use in tensors(kernel.inputs))

    @cached_property
    def _followed(self) -> frozenset[int]:
        """Tensors that autograd follows, whether or not a backward came to them."""
        return frozenset(
            use.tensor for kernel in self.kernels if kernel.requires_grad for use in kernel.outputs
        )

    def side(self, kernel: Kernel | None, use: TensorUse | None = None, what: str = "") -> Side:
        """This run at a kernel, or at a tensor that it was given or gave."""
        if kernel is None:
            return replace(NOBODY, what=what or NOBODY.what)
        use = use or next(iter(kernel.outputs), None)
        named = what or (use.spec.name if use is not None else "") or kernel.op
        value = use.value if use is not None else None
        return Side(kernel, named, value, self.source(kernel))


# -- where they part -----------------------------------------------------------------------------


class _Pair:
    def __init__(self, one: Step, other: Step, partners: Names, same: Same) -> None:
        self.one, self.other = _Tape(one), _Tape(other)
        self._partners = partners
        self._same = same
        self._nearly = same is not the_same
        if same is the_same:
            self._pair(_pairs(one.kernels, other.kernels, [_gave, _given]))
            free = [
                [k for k in tape.kernels if k.index not in tape.partner] for tape in self._tapes
            ]
            self._pair(_moved(*free))
        self._pair(_pairs(one.kernels, other.kernels, [_gave, _given, _does]))

    @property
    def _tapes(self) -> tuple[_Tape, _Tape]:
        return self.one, self.other

    def _pair(self, found: Iterable[tuple[Kernel, Kernel]]) -> None:
        for left, right in found:
            if left.index in self.one.partner or right.index in self.other.partner:
                continue
            self.one.partner[left.index] = right
            self.other.partner[right.index] = left
            if self._gave_the_same(left, right):
                self.one.alike.add(left.index)
                self.other.alike.add(right.index)

    def _gave_the_same(self, one: Kernel, other: Kernel) -> bool:
        if len(one.outputs) != len(other.outputs):
            return False
        pairs = list(zip(one.outputs, other.outputs, strict=True))
        moves = self._nearly and any(use.spec.role == "parameter" for use in one.outputs)
        if not pairs or moves:  # what is added to a parameter is little beside it
            own = {use.tensor for use in one.outputs}
            given = zip(tensors(one.inputs), tensors(other.inputs), strict=False)
            pairs = [(a, b) for a, b in given if a.tensor not in own]
        return leaves_unset(one) or all(self._same(a.value, b.value) for a, b in pairs)

    def first(self) -> tuple[Kind, Side, Side] | None:
        """The first place where a result that differs began to differ (NOTE 1)."""
        ends = list(self._ends())
        ours = self.one.behind(k for k, _ in ends if k is not None)
        theirs = self.other.behind(k for _, k in ends if k is not None)
        one = self.one.kernels[min(ours)] if ours else None
        other = self.other.kernels[min(theirs)] if theirs else None
        in_forward = any(k is not None and k.phase == "forward" for k in (one, other))
        if not in_forward and (found := self._clearing() or self._kept(ours | theirs)):
            return found
        if not in_forward and (found := self._of_the_graph(one, other)):
            return found
        if one is None and other is None:
            return self._runs()
        return self._not_updated(one, other) or self._told(one, other, (ours, theirs))

    def _runs(self) -> tuple[Kind, Side, Side] | None:
        """How often backward ran before the update, where that is all that differs."""
        runs = self.one.step.backwards, self.other.step.backwards
        counts = [len(some) for some in runs]
        if counts[0] == counts[1]:
            return None
        shared = min(counts)
        sides = [
            Side(None, f"{count} time{'s' * (count != 1)} before the update", None, some[min(shared, count - 1)].source)
            for count, some in zip(counts, runs, strict=True)
        ]
        return "accumulation", sides[0], sides[1]

    def of_inputs(
        self, readers: tuple[Kernel, Kernel], place: int
    ) -> tuple[Kind, Side, Side] | None:
        """Where what a kernel is given at a place, among its tensors, began to differ."""
        behind, makers = list[set[int]](), list[Kernel | None]()
        for tape, reader in zip(self._tapes, readers, strict=True):
            same = next((k for k in tape.kernels if _reads_there(k, reader)), None)
            given = list(tensors(same.inputs))[place : place + 1] if same is not None else []
            before = 0 if same is None else same.index
            made = [m for use in given for m in tape.makers(use.tensor, before)]
            behind.append(tape.behind(made))
            makers.append(made[-1] if made else None)
        here, there = makers
        if here is not None and there is not None and here.op != there.op:
            return "kernel", self._operator(self.one, here), self._operator(self.other, there)
        if not behind[0] or not behind[1]:
            return None
        firsts = [tape.kernels[min(some)] for tape, some in zip(self._tapes, behind, strict=True)]
        return self._told(firsts[0], firsts[1], (behind[0], behind[1]))

    def _ends(self) -> Iterator[tuple[Kernel | None, Kernel | None]]:
        """The last kernels of every result that differs."""
        runs = zip(self.one.step.backwards, self.other.step.backwards, strict=False)
        for number, (ours, theirs) in enumerate(runs):
            if not all(map(self._same, ours.roots, theirs.roots)):
                yield self.one.index.loss_kernel(number), self.other.index.loss_kernel(number)
            written = {write.parameter: write for write in theirs.grad_writes}
            here = {write.parameter: write for write in ours.grad_writes}
            for name, partner in self._partners.items():
                a, b = here.get(name), written.get(partner)
                if (a is None) != (b is None) or (a and b and not self._same(a.after, b.after)):
                    yield (
                        self.one.last_writer(f"{name}.grad", number) if a else None,
                        self.other.last_writer(f"{partner}.grad", number) if b else None,
                    )
        if len(self.one.step.backwards) != len(self.other.step.backwards):
            return  # one of them goes on where the other updates
        for name, partner in self._partners.items():
            if not self._ends_alike(name, partner):
                yield self.one.last_writer(name), self.other.last_writer(partner)

    def _ends_alike(self, name: str, partner: str) -> bool:
        left, right = self.one.step.parameters, self.other.step.parameters
        if name not in left or partner not in right:
            return True
        same = the_same if self._nearly else self._same
        return same(left[name].after, right[partner].after)

    # -- NOTE 2 ---------------------------------------------------------------------------

    def _clearing(self) -> tuple[Kind, Side, Side] | None:
        """A ``.grad`` that backward found, where one run had cleared it and the other not."""
        if not self.one.step.backwards or not self.other.step.backwards:
            return None
        theirs = {w.parameter: w for w in self.other.step.backwards[0].grad_writes}
        for write in self.one.step.backwards[0].grad_writes:
            other = theirs.get(self._partners.get(write.parameter, ""))
            if other is None or (_is_clear(write.before) == _is_clear(other.before)):
                continue
            kernels = (
                tape.last_writer(f"{one.parameter}.grad", 0)
                for tape, one in ((self.one, write), (self.other, other))
            )
            sides = [
                Side(kernel, f"{one.parameter}.grad {_held(one.before)}", one.before, run.source)
                for kernel, one, run in zip(
                    kernels,
                    (write, other),
                    (self.one.step.backwards[0], self.other.step.backwards[0]),
                    strict=True,
                )
            ]
            return "clearing", sides[0], sides[1]
        return None

    def _kept(self, behind: set[int]) -> tuple[Kind, Side, Side] | None:
        """A backward that made a graph of its own in one run, where nothing differs before it."""
        runs = zip(self.one.step.backwards, self.other.step.backwards, strict=False)
        for number, pair in enumerate(runs):
            began = [_first_of(tape, number) for tape in self._tapes]
            if pair[0].create_graph != pair[1].create_graph and min(behind, default=0) >= min(
                began
            ):
                sides = [
                    Side(None, f"create_graph={run.create_graph}", None, run.source) for run in pair
                ]
                return "graph", sides[0], sides[1]
        return None

    def _of_the_graph(
        self, one: Kernel | None, other: Kernel | None
    ) -> tuple[Kind, Side, Side] | None:
        """A forward that gives the same and is differentiated otherwise."""
        one, other = (k if k is not None and k.phase == "backward" else None for k in (one, other))
        if one is None and other is None:
            return None
        cuts = self.one.cut(), self.other.cut()
        if cuts != (None, None):
            here = cuts[0] or (self.one_of(cuts[1]))
            there = cuts[1] or (self.other_of(cuts[0]))
            return "graph", self.one.side(here), self.other.side(there)
        made = tuple(
            tape.forward_of(k) if k is not None else None
            for tape, k in ((self.one, one), (self.other, other))
        )
        here, there = made
        if here is not None and there is not None and self.other_of(here) is there:
            if _do_the_same(here, there):
                return self._without_gradient()
            return self._compared(here, there)
        return self._without_gradient()

    def one_of(self, kernel: Kernel | None) -> Kernel | None:
        """The first run's partner of a kernel of the second."""
        return self.other.partner.get(kernel.index) if kernel is not None else None

    def other_of(self, kernel: Kernel | None) -> Kernel | None:
        """The second run's partner of a kernel of the first."""
        return self.one.partner.get(kernel.index) if kernel is not None else None

    def _without_gradient(self) -> tuple[Kind, Side, Side] | None:
        """A parameter that only one run's backward reaches."""
        reached = [
            {w.parameter for run in tape.step.backwards for w in run.grad_writes}
            for tape in (self.one, self.other)
        ]
        for name, partner in self._partners.items():
            if (name in reached[0]) != (partner in reached[1]):
                readers = _reader(self.one, name), _reader(self.other, partner)
                here = readers[0] or self.one_of(readers[1])
                there = readers[1] or self.other_of(readers[0])
                words = [
                    f"{own} gets {'a' if own in known else 'no'} gradient"
                    for own, known in zip((name, partner), reached, strict=True)
                ]
                return (
                    "graph",
                    self.one.side(here, what=words[0]),
                    self.other.side(there, what=words[1]),
                )
        return None

    # -- what it is -----------------------------------------------------------------------

    def _not_updated(
        self, one: Kernel | None, other: Kernel | None
    ) -> tuple[Kind, Side, Side] | None:
        """A parameter that only one of the runs updates, where nothing differs before that."""
        if any(k is not None and k.phase in {"forward", "backward"} for k in (one, other)):
            return None
        updated = [{u.parameter for u in tape.step.updates} for tape in (self.one, self.other)]
        apart = [
            (name, partner)
            for name, partner in self._partners.items()
            if not self._ends_alike(name, partner)
        ]
        if not apart or any((n in updated[0]) == (p in updated[1]) for n, p in apart):
            return None
        name, partner = apart[0]
        sides = [
            tape.side(kernel, what=f"{own} {'is' if own in there else 'is not'} updated")
            if kernel is not None
            else Side(None, f"{own} is not updated", None, None)
            for tape, kernel, own, there in (
                (self.one, one, name, updated[0]),
                (self.other, other, partner, updated[1]),
            )
        ]
        return "update", sides[0], sides[1]

    def _told(
        self, one: Kernel | None, other: Kernel | None, behind: tuple[set[int], set[int]]
    ) -> tuple[Kind, Side, Side]:
        """How two kernels differ that were given the same, as far as they have partners."""
        if one is not None and other is not None:
            modes = {one.training, other.training}
            if one.phase == other.phase == "forward" and modes == {True, False}:
                words = [
                    f"{k.module} {'trains' if k.training else 'is in eval'}" for k in (one, other)
                ]
                return (
                    "mode",
                    self.one.side(one, what=words[0]),
                    self.other.side(other, what=words[1]),
                )
            if self.one.partner.get(one.index) is other or _does(one) == _does(other):
                return self._compared(one, other)
            if (found := self._other_parameter((one, other), behind)) is not None:
                return found
            keys = [
                sorted(str(_does(tape.kernels[index])) for index in found)
                for tape, found in ((self.one, behind[0]), (self.other, behind[1]))
            ]
            kind: Kind = "order" if keys[0] == keys[1] else "kernel"
            return kind, self._operator(self.one, one), self._operator(self.other, other)
        return "kernel", self._operator(self.one, one), self._operator(self.other, other)

    def _other_parameter(
        self, firsts: tuple[Kernel, Kernel], behind: tuple[set[int], set[int]]
    ) -> tuple[Kind, Side, Side] | None:
        """The same kernel on another parameter, of which one run takes a view of its own."""
        for here, there in ((0, 1), (1, 0)):
            view, reader, tape = firsts[here], firsts[there], self._tapes[here]
            base = next(tensors(view.inputs), None)
            if base is None or base.spec.role != "parameter" or operator_name(view) not in VIEWS:
                continue
            some = (tape.kernels[index] for index in sorted(behind[here]))
            alike = next((k for k in some if _does(k) == _does(reader)), None)
            if alike is None or all(
                u.tensor != view.outputs[0].tensor for u in tensors(alike.inputs)
            ):
                continue
            place = [u.tensor for u in tensors(alike.inputs)].index(view.outputs[0].tensor)
            other = list(tensors(reader.inputs))[place : place + 1]
            made = self._tapes[there].index.maker(other[0].tensor, reader.index) if other else None
            named = next(tensors(made.inputs), None) if made is not None else None
            if named is None or named.spec.role != "parameter":
                continue
            sides = {
                here: tape.side(alike, base),
                there: self._tapes[there].side(reader, named),
            }
            return "input", sides[0], sides[1]
        return None

    @staticmethod
    def _operator(tape: _Tape, kernel: Kernel | None) -> Side:
        return tape.side(kernel, what="" if kernel is None else kernel.op)

    def _compared(self, one: Kernel, other: Kernel) -> tuple[Kind, Side, Side]:
        """How two kernels that do the same differ."""
        overwritten = {use.tensor for use in one.outputs} if _overwrites(one) else set()
        for a, b in zip(tensors(one.inputs), tensors(other.inputs), strict=False):
            if a.tensor in overwritten or self._same(a.value, b.value):
                continue
            kind: Kind = "draw" if _is_random(one) else "input"
            makers = self._made_otherwise((a, one), (b, other)) if kind == "input" else None
            if makers is not None:
                return makers
            if kind == "input" and _rows_alike(a.value, b.value):
                kind = "order"
            return kind, self.one.side(one, a), self.other.side(other, b)
        constants = zip(_constants(one), _constants(other), strict=False)
        apart = next(((x, y) for x, y in constants if x != y), None)
        if apart is not None and one.op == other.op:
            what = [f"{name} = {_shown(value)}" for name, value in apart]
            return (
                "constant",
                self.one.side(one, what=what[0]),
                self.other.side(other, what=what[1]),
            )
        if one.op != other.op or len(tuple(_constants(one))) != len(tuple(_constants(other))):
            return "kernel", self._operator(self.one, one), self._operator(self.other, other)
        kind = "draw" if _is_random(one) else "result"
        return kind, self.one.side(one), self.other.side(other)

    def _made_otherwise(
        self, one: tuple[TensorUse, Kernel], other: tuple[TensorUse, Kernel]
    ) -> tuple[Kind, Side, Side] | None:
        """What left an input as two kernels found it, where that is not each other's partner."""
        makers = [
            max(tape.makers(use.tensor, kernel.index), key=lambda k: k.index, default=None)
            for tape, (use, kernel) in zip(self._tapes, (one, other), strict=True)
        ]
        here, there = makers
        if here is None or there is None or _does(here) == _does(there):
            return None
        return "kernel", self._operator(self.one, here), self._operator(self.other, there)


def _first_of(tape: _Tape, backward: int) -> int:
    """The first kernel of a backward."""
    ran = (k.index for k in tape.kernels if k.phase == "backward" and k.backward == backward)
    return next(ran, len(tape.kernels))


def _reader(tape: _Tape, name: str) -> Kernel | None:
    """The first kernel that reads a parameter."""
    return next(
        (k for k in tape.kernels if any(use.spec.name == name for use in tensors(k.inputs))), None
    )


def _reads_there(kernel: Kernel, other: Kernel) -> bool:
    """Whether a kernel of another step is the same one of the program."""
    return (kernel.op, kernel.phase, kernel.source) == (other.op, other.phase, other.source)


def _is_clear(value: Value | None) -> bool:
    return value is None or (value.complete and not value.array.any())


def _held(value: Value | None) -> str:
    return "was None" if value is None else "was zero" if _is_clear(value) else "was not cleared"


def _do_the_same(one: Kernel, other: Kernel) -> bool:
    return one.op == other.op and list(_constants(one)) == list(_constants(other))


def _rows_alike(one: Value | None, other: Value | None) -> bool:
    """Whether two batches hold the same rows in another order."""
    if one is None or other is None or not one.complete or not other.complete:
        return False
    if one.shape != other.shape or one.dtype != other.dtype or not one.shape:
        return False
    rows = [sorted(row.tobytes() for row in value.array) for value in (one, other)]
    return rows[0] == rows[1]


def _constants(kernel: Kernel) -> Iterator[tuple[str, object]]:
    for argument in kernel.inputs:
        values = argument.value if isinstance(argument.value, tuple) else (argument.value,)
        yield from ((argument.name, one.value) for one in values if isinstance(one, Constant))


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _is_random(kernel: Kernel) -> bool:
    return operator_name(kernel) in _RANDOM


def _overwrites(kernel: Kernel) -> bool:
    """Whether an in-place kernel does not look at what it changes."""
    name = operator_name(kernel)
    return name.endswith("_") and (_is_random(kernel) or name in _FILLS)
