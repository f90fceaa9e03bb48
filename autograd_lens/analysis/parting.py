"""Two tapes of one step beside each other: where what differs in the end began, and of what kind.

NOTE 1 [Back from what differs]: from each result that differs (a loss, a ``.grad``, a parameter
behind its update) the tape is followed back through kernels that gave what no partner gave
(``alignment``). The first of them is where the runs part: all that it was given is the same on
both sides. What differs and leads to no result, as a norm that is printed, is not met on the way.

NOTE 2 [The same forward]: where no loss differs and a gradient does, either a kernel that gives
the same has another derivative, or autograd was cut off: by ``detach``, by ``no_grad``, by a
parameter that needs no gradient. That is looked for in the forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

from autograd_lens.analysis.alignment import UNNAMED, Alignment, Both, Names, Side, Tape, does
from autograd_lens.analysis.nearness import Same, the_same
from autograd_lens.trace.graph import VIEWS, operator_name, tensors
from autograd_lens.trace.records import Constant, GradWrite, Kernel, Phase, Source, Step, TensorUse
from autograd_lens.trace.values import Value

__all__ = ["Found", "Kind", "first_difference", "given_otherwise", "kept_apart", "made_otherwise"]

Kind = Literal[
    "start",
    "input",
    "draw",
    "constant",
    "kernel",
    "result",
    "dtype",
    "order",
    "rows",
    "graph",
    "mode",
    "clearing",
    "accumulation",
    "update",
    "unknown",
]
"""What parted two runs: a parameter before the first step, something that a kernel read, random
numbers, a constant of the program, kernels that only one of them ran, the same kernel with another
result or in another dtype, the same in another order, a batch whose rows came in another one, where
autograd follows, whether a module trains, whether a ``.grad`` was cleared, how often backward ran
before the update, whether a parameter is updated, or what cannot be told."""

Found = tuple[Kind, Side, Side]
"""Of what kind a parting is, and both runs there."""

_Behind = tuple[set[int], set[int]]  # of each tape, kernels that have no equal

_RANDOM = frozenset(
    {"bernoulli", "bernoulli_", "dropout", "exponential_", "multinomial", "native_dropout"}
    | {"normal", "normal_", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like"}
    | {"random_", "randperm", "uniform", "uniform_", "poisson", "geometric_", "cauchy_"}
)
_FILLS = frozenset({"copy_", "fill_", "zero_"})


def first_difference(
    one: Step, other: Step, partners: Names, same: Same = the_same
) -> Found | None:
    """The first place where two steps part, kernel by kernel; None where no result differs.

    Args:
        one: A step in full.
        other: The other run's.
        partners: Parameters of the second run by name of the first.
        same: What counts as the same value.
    """
    pair = Alignment(one, other, partners, same)
    ends = list(pair.ends())
    ours = pair.one.behind(k for k, _ in ends if k is not None)
    theirs = pair.other.behind(k for _, k in ends if k is not None)
    firsts = _first(pair.one, ours), _first(pair.other, theirs)
    if None in firsts and (found := _without_gradient(pair)) is not None:
        return found
    if not any(k is not None and k.phase == "forward" for k in firsts):
        found = _clearing(pair) or _kept(pair, ours | theirs) or _of_the_graph(pair, firsts)
        if found is not None:
            return found
    if firsts == (None, None):
        return _backwards(pair)
    return _not_updated(pair, firsts) or _told(pair, firsts, (ours, theirs))


def kept_apart(one: Step, other: Step, partners: Names) -> Found | None:
    """What parts two steps whose results are the same: what a module keeps, as running means.

    Args:
        one: A step in full, not the first one.
        other: The other run's.
        partners: Parameters of the second run by name of the first.
    """
    pair = Alignment(one, other, partners, the_same)
    for kernel in pair.one.kernels:
        partner = pair.other_of(kernel)
        if partner is None or kernel.phase != "forward":
            continue
        for a, b in zip(tensors(kernel.inputs), tensors(partner.inputs), strict=False):
            if a.spec.role == b.spec.role == "input" and not the_same(a.value, b.value):
                words = _constants_apart(kernel, partner) if kernel.op == partner.op else None
                if words is not None:
                    return _sides(pair, "constant", (kernel, partner), words)
                return _given(pair, (a, kernel), (b, partner))
    return None


def given_otherwise(
    one: Step, other: Step, partners: Names, readers: tuple[Kernel, Kernel]
) -> Found | None:
    """The constant by which like kernels of earlier steps wrote what these read otherwise.

    Args:
        one: A step in full.
        other: The other run's.
        partners: Parameters of the second run by name of the first.
        readers: The kernels of a later step.
    """
    pair = Alignment(one, other, partners, the_same)
    kernel = next((each for each in one.kernels if _reads_there(each, readers[0])), None)
    partner = pair.other_of(kernel) if kernel is not None else None
    if kernel is None or partner is None or kernel.op != partner.op:
        return None
    words = _constants_apart(kernel, partner)
    return None if words is None else _sides(pair, "constant", (kernel, partner), words)


def made_otherwise(one: Step, other: Step, readers: tuple[Kernel, Kernel]) -> Found | None:
    """Where two steps begin to make an input otherwise.

    Args:
        one: A step in full.
        other: The other run's.
        readers: The kernels of another step that were given something else.
    """
    given = zip(tensors(readers[0].inputs), tensors(readers[1].inputs), strict=False)
    apart = (place for place, (a, b) in enumerate(given) if not the_same(a.value, b.value))
    return _of_inputs(Alignment(one, other, {}, the_same), readers, next(apart, 0))


def _of_inputs(pair: Alignment, readers: tuple[Kernel, Kernel], place: int) -> Found | None:
    """Where what a kernel is given at a place, among its tensors, began to differ."""
    behind, makers = list[set[int]](), list[Kernel | None]()
    for tape, reader in zip(pair.tapes, readers, strict=True):
        same = next((k for k in tape.kernels if _reads_there(k, reader)), None)
        given = list(tensors(same.inputs))[place : place + 1] if same is not None else []
        before = 0 if same is None else same.index
        made = [m for use in given for m in tape.makers(use.tensor, before)]
        behind.append(tape.behind(made))
        makers.append(made[-1] if made else None)
    here, there = makers
    if here is not None and there is not None and here.op != there.op:
        return _put_between(pair, (here, there)) or _operators(pair, "kernel", (here, there))
    if not behind[0] or not behind[1]:
        return None
    firsts = _first(pair.one, behind[0]), _first(pair.other, behind[1])
    return _told(pair, firsts, (behind[0], behind[1]))


def _first(tape: Tape, some: set[int]) -> Kernel | None:
    return tape.kernels[min(some)] if some else None


def _reads_there(kernel: Kernel, other: Kernel) -> bool:
    """Whether a kernel of another step is the same one of the program."""
    return (kernel.op, kernel.phase, kernel.source) == (other.op, other.phase, other.source)


# -- how it is said -------------------------------------------------------------------------------


def _sides(pair: Alignment, kind: Kind, kernels: Both, words: Sequence[str] = ("", "")) -> Found:
    """Both runs at a kernel, in words where they say more than its result's name."""
    return (
        kind,
        pair.one.side(kernels[0], what=words[0]),
        pair.other.side(kernels[1], what=words[1]),
    )


def _operators(pair: Alignment, kind: Kind, kernels: Both) -> Found:
    return _sides(pair, kind, kernels, [k.op if k is not None else "" for k in kernels])


def _at_lines(kind: Kind, words: Sequence[str], sources: Sequence[Source | None]) -> Found:
    """Both runs at a line that is no kernel's."""
    one, other = (Side(None, *both) for both in zip(words, (None, None), sources, strict=True))
    return kind, one, other


# -- which way autograd goes (NOTE 2) -------------------------------------------------------------


def _clearing(pair: Alignment) -> Found | None:
    """A ``.grad`` that backward found, where one run had cleared it and the other not."""
    runs = [tape.step.backwards[0] for tape in pair.tapes if tape.step.backwards]
    if len(runs) < len(pair.tapes):
        return None
    theirs = {write.parameter: write for write in runs[1].grad_writes}
    for write in runs[0].grad_writes:
        other = theirs.get(pair.partners.get(write.parameter, ""))
        if other is not None and _is_clear(write.before) != _is_clear(other.before):
            one, two = (
                _found_grad(tape, each, run.source)
                for tape, each, run in zip(pair.tapes, (write, other), runs, strict=True)
            )
            return "clearing", one, two
    return None


def _found_grad(tape: Tape, write: GradWrite, source: Source | None) -> Side:
    """What backward found in a ``.grad``."""
    name, value = f"{write.parameter}.grad", write.before
    held = "was None" if value is None else "was zero" if _is_clear(value) else "was not cleared"
    return Side(tape.last_writer(name, 0), f"{name} {held}", value, source)


def _is_clear(value: Value | None) -> bool:
    return value is None or (value.complete and not value.array.any())


def _kept(pair: Alignment, behind: set[int]) -> Found | None:
    """A backward that made a graph of its own in one run, where nothing differs before it."""
    runs = zip(pair.one.step.backwards, pair.other.step.backwards, strict=False)
    for number, both in enumerate(runs):
        began = min(_begin(tape, number) for tape in pair.tapes)
        if both[0].create_graph != both[1].create_graph and min(behind, default=0) >= began:
            words = [f"create_graph={run.create_graph}" for run in both]
            return _at_lines("graph", words, [run.source for run in both])
    return None


def _begin(tape: Tape, backward: int) -> int:
    """The first kernel of a backward."""
    ran = (k.index for k in tape.kernels if k.phase == "backward" and k.backward == backward)
    return next(ran, len(tape.kernels))


def _of_the_graph(pair: Alignment, firsts: Both) -> Found | None:
    """A forward that gives the same and is differentiated otherwise."""
    one, other = (k if k is not None and k.phase == "backward" else None for k in firsts)
    if one is None and other is None:
        return None
    here, there = pair.one.cut(), pair.other.cut()
    if (here, there) != (None, None):
        return _sides(pair, "graph", (here or pair.one_of(there), there or pair.other_of(here)))
    here = pair.one.forward_of(one) if one is not None else None
    there = pair.other.forward_of(other) if other is not None else None
    if here is None or there is None or pair.other_of(here) is not there:
        return _without_gradient(pair)
    same = here.op == there.op and [*_constants(here)] == [*_constants(there)]
    return _without_gradient(pair) if same else _compared(pair, here, there)


def _without_gradient(pair: Alignment) -> Found | None:
    """A parameter that only one run's backward reaches."""
    reached = [
        {write.parameter for run in tape.step.backwards for write in run.grad_writes}
        for tape in pair.tapes
    ]
    for names in pair.partners.items():
        gets = [name in known for name, known in zip(names, reached, strict=True)]
        if gets[0] != gets[1]:
            readers = _reader(pair.one, names[0]), _reader(pair.other, names[1])
            kernels = readers[0] or pair.one_of(readers[1]), readers[1] or pair.other_of(readers[0])
            words = [
                f"{name} gets {'a' if some else 'no'} gradient"
                for name, some in zip(names, gets, strict=True)
            ]
            return _sides(pair, "graph", kernels, words)
    return None


def _reader(tape: Tape, name: str) -> Kernel | None:
    """The first kernel that reads a parameter."""
    reads = (k for k in tape.kernels if any(use.spec.name == name for use in tensors(k.inputs)))
    return next(reads, None)


# -- how often, and what is updated ---------------------------------------------------------------


def _backwards(pair: Alignment) -> Found | None:
    """How often backward ran before the update, where that is all that differs."""
    runs = [tape.step.backwards for tape in pair.tapes]
    counts = [len(some) for some in runs]
    if counts[0] == counts[1]:
        return None
    words = [f"{count} time{'s' * (count != 1)} before the update" for count in counts]
    lasts = [some[min(*counts, len(some) - 1)].source if some else None for some in runs]
    return _at_lines("accumulation", words, lasts)


def _not_updated(pair: Alignment, firsts: Both) -> Found | None:
    """A parameter that only one of the runs updates, where nothing differs before that."""
    if any(k is not None and k.phase in {"forward", "backward"} for k in firsts):
        return None
    ours, theirs = ({update.parameter for update in tape.step.updates} for tape in pair.tapes)
    apart = [both for both in pair.partners.items() if not pair.ends_alike(*both)]
    if not apart or any((one in ours) == (other in theirs) for one, other in apart):
        return None
    words = [
        f"{name} {'is' if name in some and kernel is not None else 'is not'} updated"
        for name, some, kernel in zip(apart[0], (ours, theirs), firsts, strict=True)
    ]
    return _sides(pair, "update", firsts, words)


# -- what two kernels do otherwise ----------------------------------------------------------------


def _told(pair: Alignment, firsts: Both, behind: _Behind) -> Found:
    """How two kernels differ that were given the same, as far as they have partners."""
    one, other = firsts
    if one is None or other is None:
        return _operators(pair, "kernel", firsts)
    if one.phase == other.phase == "forward" and {one.training, other.training} == {True, False}:
        words = [f"{k.module} {'trains' if k.training else 'is in eval'}" for k in (one, other)]
        return _sides(pair, "mode", firsts, words)
    if pair.other_of(one) is other or does(one) == does(other):
        return _compared(pair, one, other)
    if (found := _other_parameter(pair, (one, other), behind)) is not None:
        return found
    done = _done(pair, behind)
    if done[0] == done[1]:
        return _operators(pair, "order", firsts)
    return _in_addition(pair, (one, other), behind) or _operators(pair, "kernel", firsts)


def _in_addition(pair: Alignment, firsts: tuple[Kernel, Kernel], behind: _Behind) -> Found | None:
    """A kernel of one forward, of which the other has all else."""
    done = _done(pair, behind, "forward")
    for more in (0, 1):
        kernel, beside = firsts[more], firsts[1 - more]
        extra = done[more] - done[1 - more]
        if does(kernel) in extra and not done[1 - more] - done[more]:
            return _more(pair, more, kernel, beside)
    return None


def _done(pair: Alignment, behind: _Behind, phase: Phase | None = None) -> list[Counter[Hashable]]:
    """How often each run does what on the way to what differs, in one phase or in all."""
    found = []
    for tape, some in zip(pair.tapes, behind, strict=True):
        kernels = (tape.kernels[index] for index in some)
        found.append(Counter(does(kernel) for kernel in kernels if phase in {None, kernel.phase}))
    return found


def _put_between(pair: Alignment, makers: tuple[Kernel, Kernel]) -> Found | None:
    """A kernel of one run behind what both made."""
    for more, partner in ((0, pair.one_of(makers[1])), (1, pair.other_of(makers[0]))):
        kernel, tape = makers[more], pair.tapes[more]
        given = [m for use in tensors(kernel.inputs) for m in tape.makers(use.tensor, kernel.index)]
        if partner is not None and any(made is partner for made in given):
            return _more(pair, more, kernel, makers[1 - more])
    return None


def _more(pair: Alignment, more: int, kernel: Kernel, beside: Kernel) -> Found:
    """A kernel that one of the runs has in addition, and where the other is meanwhile."""
    tapes = pair.tapes[more], pair.tapes[1 - more]
    sides = tapes[0].side(kernel, what=kernel.op), tapes[1].beside(beside)
    return "kernel", sides[more], sides[1 - more]


def _other_parameter(
    pair: Alignment, firsts: tuple[Kernel, Kernel], behind: _Behind
) -> Found | None:
    """The same kernel on another parameter, of which one run takes a view of its own."""
    for here, there in ((0, 1), (1, 0)):
        view, reader, tape = firsts[here], firsts[there], pair.tapes[here]
        base = next(tensors(view.inputs), None)
        if base is None or base.spec.role != "parameter" or operator_name(view) not in VIEWS:
            continue
        some = (tape.kernels[index] for index in sorted(behind[here]))
        alike = next((k for k in some if does(k) == does(reader)), None)
        given = [use.tensor for use in tensors(alike.inputs)] if alike is not None else []
        if view.outputs[0].tensor not in given:
            continue
        place = given.index(view.outputs[0].tensor)
        named = _viewed(pair.tapes[there], reader, place)
        if named is not None and named.spec.role == "parameter":
            sides = {here: tape.side(alike, base), there: pair.tapes[there].side(reader, named)}
            return "input", sides[0], sides[1]
    return None


def _viewed(tape: Tape, reader: Kernel, place: int) -> TensorUse | None:
    """What the tensor that a kernel reads at a place was made of."""
    given = list(tensors(reader.inputs))[place : place + 1]
    made = tape.index.maker(given[0].tensor, reader.index) if given else None
    return next(tensors(made.inputs), None) if made is not None else None


def _compared(pair: Alignment, one: Kernel, other: Kernel) -> Found:
    """How two kernels that do the same differ."""
    overwritten = {use.tensor for use in one.outputs} if _overwrites(one) else set()
    for a, b in zip(tensors(one.inputs), tensors(other.inputs), strict=False):
        if a.tensor not in overwritten and not pair.same(a.value, b.value):
            return _given(pair, (a, one), (b, other))
    if one.op != other.op:
        return _operators(pair, "kernel", (one, other))
    if (words := _constants_apart(one, other)) is not None:
        return _sides(pair, "constant", (one, other), words)
    dtypes = [next((use.spec.dtype for use in kernel.outputs), "") for kernel in (one, other)]
    if dtypes[0] != dtypes[1]:
        return _sides(pair, "dtype", (one, other), dtypes)
    return _sides(pair, "draw" if _is_random(one) else "result", (one, other))


def _given(
    pair: Alignment, one: tuple[TensorUse, Kernel], other: tuple[TensorUse, Kernel]
) -> Found:
    """What it is that two kernels were given otherwise."""
    kind: Kind = "draw" if _is_random(one[1]) else "input"
    if kind == "input":
        makers = [
            max(tape.makers(use.tensor, kernel.index), key=lambda k: k.index, default=None)
            for tape, (use, kernel) in zip(pair.tapes, (one, other), strict=True)
        ]
        here, there = makers
        if here is not None and there is not None and does(here) != does(there):
            return _put_between(pair, (here, there)) or _operators(pair, "kernel", (here, there))
        kind = "rows" if _rows_alike(one[0].value, other[0].value) else "input"
    return kind, pair.one.side(one[1], one[0]), pair.other.side(other[1], other[0])


def _rows_alike(one: Value | None, other: Value | None) -> bool:
    """Whether two batches hold the same rows in another order."""
    if one is None or other is None or not one.complete or not other.complete:
        return False
    if one.shape != other.shape or one.dtype != other.dtype or not one.shape:
        return False
    rows = [sorted(row.tobytes() for row in value.array) for value in (one, other)]
    return rows[0] == rows[1]


def _constants_apart(one: Kernel, other: Kernel) -> list[str] | None:
    """The first constant that two kernels of one operator were given otherwise, in words."""
    left, right = dict(_constants(one)), dict(_constants(other))
    names = (name for name in {**left, **right} if left.get(name) != right.get(name))
    name = next(names, None)
    return None if name is None else [_shown(name, some.get(name)) for some in (left, right)]


def _constants(kernel: Kernel) -> Iterator[tuple[str, tuple[object, ...]]]:
    """What a kernel was given by the argument's name; one that has its default is left out."""
    for argument in kernel.inputs:
        values = argument.value if isinstance(argument.value, tuple) else (argument.value,)
        yield (
            argument.name,
            tuple(one.value if isinstance(one, Constant) else UNNAMED for one in values),
        )


def _shown(name: str, values: tuple[object, ...] | None) -> str:
    if values is None:
        return f"{name} = its default"
    shown = [f"{value:.10g}" if isinstance(value, float) else str(value) for value in values]
    return f"{name} = {shown[0]}" if len(shown) == 1 else f"{name} = ({', '.join(shown)})"


def _is_random(kernel: Kernel) -> bool:
    return operator_name(kernel) in _RANDOM


def _overwrites(kernel: Kernel) -> bool:
    """Whether an in-place kernel does not look at what it changes."""
    name = operator_name(kernel)
    return name.endswith("_") and (_is_random(kernel) or name in _FILLS)
