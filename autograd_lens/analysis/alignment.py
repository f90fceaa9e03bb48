"""Two tapes of one step laid beside each other: which kernels are each other's partners.

NOTE 1 [By what they gave]: kernels are laid beside each other by what they gave, and where that
is no help by what they do (operator, phase, shapes); names and lines play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from autograd_lens.analysis.nearness import Same, the_same
from autograd_lens.trace.graph import TapeIndex, leaves_unset, tensors, writes_in_place
from autograd_lens.trace.records import Kernel, Source, Step, TensorUse
from autograd_lens.trace.values import Value, digest

__all__ = [
    "NOTHING",
    "UNNAMED",
    "Alignment",
    "Both",
    "Names",
    "Side",
    "Tape",
    "does",
    "nodes_apart",
]

Names = Mapping[str, str]
Both = tuple[Kernel | None, Kernel | None]

NOTHING = "nothing"  # what is said of a run that has no kernel there
UNNAMED = "a tensor"  # that a kernel reads


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


def nodes_apart(
    one: Step, other: Step, partners: Names, same: Same = the_same
) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """The nodes of both main backwards that are not the same in the other step.

    Returns:
        For each step, by the node's index: ``"otherwise"`` where its forward gave something else
        or has no partner, ``"gradient"`` where only what it gave in backward is another.
    """
    pair = Alignment(one, other, partners, same)
    return _apart(pair.one), _apart(pair.other)


def _apart(tape: Tape) -> Mapping[int, str]:
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
    return (_given(kernel), does(kernel))


def _given(kernel: Kernel) -> Hashable:
    """What a kernel gave; what it does where that is not known."""
    found = [(one.spec.shape, one.value and digest(one.value)) for one in kernel.outputs]
    if not found or leaves_unset(kernel) or any(bits is None for _, bits in found):
        return does(kernel)
    return kernel.phase, *found


def does(kernel: Kernel) -> Hashable:
    """What a kernel does: operator, phase, shapes."""
    return kernel.op, kernel.phase, tuple(use.spec.shape for use in kernel.outputs)


class Tape:
    """One side: its tape, and which of its kernels gave what their partner gave.

    Attributes:
        step: The step.
        kernels: Its kernels.
        index: Makers and readers of its tensors.
        partner: The other side's kernel by the index of this one's.
        alike: The kernels that gave what their partner gave, by index.
    """

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
        found = [each for each in self.kernels if each.phase == "forward" and self._cuts(each)]
        loss = self.index.loss_kernel(self.step.main_backward)
        if loss is None or not found:
            return next(iter(found), None)
        end = loss.index + 1
        way = {k.index for use in loss.outputs for k in self.index.ancestors(use.tensor, end)}
        return next((k for k in found if k.index in way), found[0])

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
            return Side(None, what or NOTHING, None, None)
        unnamed = kernel.op if use is None else UNNAMED
        use = use or next(iter(kernel.outputs), None)
        named = what or (use.spec.name if use is not None else "") or unnamed
        value = use.value if use is not None else None
        return Side(kernel, named, value, self.source(kernel))

    def beside(self, kernel: Kernel) -> Side:
        """This run where the other ran something in addition."""
        return Side(kernel, NOTHING, None, self.source(kernel))


class Alignment:
    """Two tapes of one step, with the partner of each kernel.

    Args:
        one: A step in full.
        other: The other run's.
        partners: Parameters of the second run by name of the first.
        same: What counts as the same value.
    """

    def __init__(self, one: Step, other: Step, partners: Names, same: Same) -> None:
        self.one, self.other = Tape(one), Tape(other)
        self.partners = partners
        self.same = same
        self.nearly = same is not the_same
        if same is the_same:
            self._pair(_pairs(one.kernels, other.kernels, [_gave, _given]))
            free = [[k for k in tape.kernels if k.index not in tape.partner] for tape in self.tapes]
            self._pair(_moved(*free))
        self._pair(_pairs(one.kernels, other.kernels, [_gave, _given, does]))

    @property
    def tapes(self) -> tuple[Tape, Tape]:
        """Both."""
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
        moves = self.nearly and any(use.spec.role == "parameter" for use in one.outputs)
        if not pairs or moves:  # what is added to a parameter is little beside it
            own = {use.tensor for use in one.outputs}
            given = zip(tensors(one.inputs), tensors(other.inputs), strict=False)
            pairs = [(a, b) for a, b in given if a.tensor not in own]
        return leaves_unset(one) or all(self.same(a.value, b.value) for a, b in pairs)

    def one_of(self, kernel: Kernel | None) -> Kernel | None:
        """The first run's partner of a kernel of the second."""
        return self.other.partner.get(kernel.index) if kernel is not None else None

    def other_of(self, kernel: Kernel | None) -> Kernel | None:
        """The second run's partner of a kernel of the first."""
        return self.one.partner.get(kernel.index) if kernel is not None else None

    def ends(self) -> Iterator[tuple[Kernel | None, Kernel | None]]:
        """The last kernels of every result that differs."""
        runs = zip(self.one.step.backwards, self.other.step.backwards, strict=False)
        for number, (ours, theirs) in enumerate(runs):
            if not all(map(self.same, ours.roots, theirs.roots)):
                yield self.one.index.loss_kernel(number), self.other.index.loss_kernel(number)
            written = {write.parameter: write for write in theirs.grad_writes}
            here = {write.parameter: write for write in ours.grad_writes}
            for name, partner in self.partners.items():
                a, b = here.get(name), written.get(partner)
                if (a is None) != (b is None) or (a and b and not self.same(a.after, b.after)):
                    yield (
                        self.one.last_writer(f"{name}.grad", number) if a else None,
                        self.other.last_writer(f"{partner}.grad", number) if b else None,
                    )
        if len(self.one.step.backwards) != len(self.other.step.backwards):
            return  # one of them goes on where the other updates
        for name, partner in self.partners.items():
            if not self.ends_alike(name, partner):
                yield self.one.last_writer(name), self.other.last_writer(partner)

    def ends_alike(self, name: str, partner: str) -> bool:
        """Whether a parameter and its partner are the same behind the update."""
        left, right = self.one.step.parameters, self.other.step.parameters
        if name not in left or partner not in right:
            return True
        same = the_same if self.nearly else self.same
        return same(left[name].after, right[partner].after)
