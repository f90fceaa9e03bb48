"""What the steps of a program read that light rows do not hold, found out from full steps.

NOTE 1 [Compared, not guessed]: two full steps of one graph tell what changes from step to step.
Where both read the same from outside, so do the light steps between them, and the nearest full
step has it. Where they read different batches that a module or a data loader was handed, the
handed tensors are kept from then on. Where they differ in anything else (a batch cut by hand, a
number of the forward, random numbers drawn in between, the kernels themselves), no light row
can hold it, and every step from then on is recorded *lean*: its kernels and what they read from
outside, without what they compute.

NOTE 2 [Until it was compared]: a graph that was recorded in full once, as that of a step which
trains a second network every fifth time, has nothing yet that it could be compared with. The
steps behind it are recorded lean, too, until it comes again, but not for ever. As it is known
only at its backward whether it does, what they compute is read until then, and the step that
brings it is recorded in full. What stands before the training loop is not recorded, so the run's
first step is no measure for others.

NOTE 3 [What the graph has saved]: a batch that is cut by hand is made by kernels whose numbers
change, and its labels are handed to no module. But a node of the graph saves them, as that of a
cross entropy does. Where everything that changes ends in tensors that were handed to a module or
that nodes have saved, these are kept with light rows, read off the graph at each backward; what
made them is of no account then. So it is only where no step reads what an earlier one has made:
such a step is not the same with the first one, which has nothing yet to go on from.

NOTE 4 [Until it is sure]: that two steps are alike may be chance where an optimizer is the
program's own: one of them looks back at every fifth step. There the few steps up to the second
comparison are recorded lean, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from autograd_lens.live.graph_walk import SavedPlace
from autograd_lens.live.mode import UNSET
from autograd_lens.trace.tape import (
    Arg,
    ArgList,
    Const,
    TapeBackward,
    TapeKernel,
    Template,
    makers_of,
    numbers_in,
    tensors_in,
)
from autograd_lens.trace.values import Entry, alike

__all__ = ["Known", "Needs", "read_from_outside"]

_ENOUGH = 2  # comparisons
_LOOKED, _LOOK_AGAIN = 8, 10  # alike steps that are looked at, and how often later ones are
_EARLY = 12  # steps, behind which one comparison has to do (NOTE 4)
_ALONE = 32  # steps for which a graph may wait for its like (NOTE 2)
_OUTLINES = 8  # structures
_STRUCTURES = 4  # graphs, beyond which a program is taken to make a new one in every step
_NOTHING_SET = (*UNSET, "aten.lift_fresh.")  # the second returns what it is given
_PLAIN_OPERATORS = ("aten.", "prims.")
_PLAIN = frozenset({"parameter", "gradient", "state"})
_IN_ROWS = frozenset({"parameter", "gradient"})
_RUNNING = frozenset({"running_mean", "running_var"})


# A kernel whose number it is, else -1; else the tensor that is read, else -1.
_Place = tuple[int, int]


@dataclass(frozen=True)
class _Outline:
    """Where the steps of one structure hold what is compared, found once.

    It has no slots, so that what is seldom asked for is found when it is.

    Attributes:
        template: The structure.
        given: Ids of the tensors that light rows keep.
        kernels: Operators and constants of the forward.
        handed: Slots of what it was handed.
        places: Where all else is read that no kernel made, and the numbers it computes with.
        outside: The slot of each.
        update: Slots of the numbers of the update.
        own: Operators of the program's code that ran in a backward.
        inside: Slots of the numbers of these.
        serves: The kernels that a loss follows from: those of a validation, or of an episode that
            was played before it, are none.
        serving: Slots of what these read, handed things apart.
    """

    template: Template
    given: frozenset[int]
    kernels: tuple[object, ...]
    handed: tuple[int, ...]
    places: tuple[_Place, ...]
    outside: tuple[int, ...]
    update: tuple[int, ...]
    own: tuple[str, ...]
    inside: tuple[int, ...]
    serves: tuple[object, ...]
    serving: tuple[int, ...]

    @classmethod
    def of(cls, template: Template, saved: Collection[int] = ()) -> _Outline:
        """The outline of a structure, of which light rows keep some things that nodes save."""
        handed = [number for number in template.handed if number is not None]
        given = frozenset((*handed, *saved))
        forward = [k for k in enumerate(template.kernels) if k[1].phase == "forward"]
        outside = dict(_outside(template))
        places = [((-1, number), slot) for number, slot in outside.items() if number not in given]
        places += [((index, -1), slot) for index, kernel in forward for slot in _numbers(kernel)]
        serving, wanted = _serving(template)
        return cls(
            template=template,
            given=given,
            kernels=tuple([_told(kernel) for _, kernel in forward]),
            handed=tuple([outside[number] for number in sorted(given) if number in outside]),
            places=tuple([place for place, _ in places]),
            outside=tuple([slot for _, slot in places]),
            update=_numbers_of(k for k in template.kernels if k.phase == "update"),
            own=tuple([kernel.op for kernel in _own_code(template)]),
            inside=_numbers_of(_own_code(template)),
            serves=tuple([_told(kernel) for kernel in serving]),
            serving=(
                *_numbers_of(serving),
                *(slot for t, slot in outside.items() if t in wanted and t not in given),
            ),
        )

    @cached_property
    def rest(self) -> tuple[tuple[object, ...], tuple[int, ...]]:
        """The kernels that do more than make what light rows keep, and where these read."""
        dropped = _makers(self.template, self.given)
        kernels = [
            kernel
            for index, kernel in enumerate(self.template.kernels)
            if kernel.phase == "forward" and index not in dropped
        ]
        read = {use.tensor for kernel in kernels for use in kernel.reads}
        places = [
            position
            for position, (index, tensor) in enumerate(self.places)
            if (tensor in read if index < 0 else index not in dropped)
        ]
        return tuple([_told(kernel) for kernel in kernels]), tuple(places)

    def saved(self, changed: Sequence[_Place]) -> dict[int, tuple[str, SavedPlace]]:
        """What nodes have saved that holds all that changed since a step (NOTE 3).

        Returns:
            By tensor the backward's fingerprint, and the place in its graph; nothing where there
            is no such thing.
        """
        if len(self.template.backwards) != 1:
            return {}
        unset = (one for one in self.template.kernels if one.op.startswith(UNSET))
        filled = {use.tensor for kernel in unset for use in kernel.makes}  # by NumPy, it may be
        following = _following(self.template, changed, self.given) - filled
        found = _saved_in(self.template, following)
        dropped = _makers(self.template, self.given | found.keys())
        for index, kernel in enumerate(self.template.kernels):
            reads = {use.tensor for use in kernel.reads} - found.keys()
            stays = kernel.phase == "forward" and index not in dropped
            if stays and any(index == i or t in reads for i, t in changed):
                return {}
        return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the forward of one full step read.

    Attributes:
        outline: Of its structure.
        handed: What it was handed.
        outside: Everything else that no kernel made, and the numbers it computed with.
        update: The numbers that its update computed with.
        inside: Those that code of the program computed with while a backward ran.
        serving: What was read, handed things apart, by the kernels that a loss follows from.
    """

    outline: _Outline
    handed: tuple[object, ...]
    outside: tuple[object, ...]
    update: tuple[object, ...]
    inside: tuple[object, ...]
    serving: tuple[object, ...]

    @classmethod
    def of(cls, outline: _Outline, slots: Sequence[object]) -> _Reading:
        """What stands in the slots of a step."""
        parts = (outline.handed, outline.outside, outline.update, outline.inside, outline.serving)
        return cls(outline, *(tuple([slots[place] for place in part]) for part in parts))

    def own(self) -> tuple[object, ...]:
        """The kernels that code of the program ran in a backward, and their numbers."""
        return (*self.outline.own, *self.inside)

    def update_differs(self, other: _Reading) -> bool:
        """Whether updates of as many numbers computed with others."""
        return len(self.update) == len(other.update) and self.update != other.update

    def serves_otherwise(self, other: _Reading) -> bool:
        """Whether its loss follows from other kernels, or from what these read otherwise."""
        mine, theirs = (self.outline.serves, self.serving), (other.outline.serves, other.serving)
        return mine != theirs

    def differs(self, other: _Reading) -> bool:
        """Whether its forward ran other kernels, or read something else than it was handed."""
        return (self.outline.kernels, self.outside) != (other.outline.kernels, other.outside)

    def changed(self, other: _Reading) -> list[_Place]:
        """Where it read something else than another step of the same kernels."""
        values = zip(self.outline.places, self.outside, other.outside, strict=True)
        return [place for place, now, then in values if now != then]

    def rest(self) -> tuple[object, ...]:
        """The kernels that do more than make what light rows keep, and what they read."""
        kernels, places = self.outline.rest
        return kernels, *(self.outside[place] for place in places)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a full step beside its tape.

    Attributes:
        described: Whether the numbers of its update are kept beside light rows.
        foreign: Whether an optimizer is the program's own.
        state: The state of the random generator that light rows hold for it; None where that is
            not known.
        made: Ids of tensors that kernels have made, be it in this step or in an earlier one.
    """

    described: bool
    foreign: bool
    state: bytes | None
    made: Collection[int]


@dataclass(slots=True)
class Needs:
    """Notices what changes from step to step.

    Attributes:
        inputs: Whether what modules and data loaders are handed has to be kept.
        tapes: Whether every step has to be recorded, at least lean.
        backwards: Whether that goes for the kernels of its backward, too: code of the program
            runs in it, hooks or custom Functions.
        opaque: Whether a full step did what a replay may not make again: custom Functions,
            hooks, operators that are none of PyTorch's own, sparse tensors.
        saved: By fingerprint of a backward, where in its graph stands what is to be kept with
            light rows (NOTE 3).
    """

    inputs: bool = False
    tapes: bool = False
    backwards: bool = False
    opaque: bool = False
    saved: dict[str, tuple[SavedPlace, ...]] = field(default_factory=dict)
    _known: dict[tuple[str, ...], _Reading] = field(default_factory=dict)
    _outlines: dict[int, _Outline] = field(default_factory=dict)  # by ``id`` of the template
    _alone: dict[tuple[str, ...], int] = field(default_factory=dict)  # graph -> step
    _alike: int = 0  # how many full steps in a row read what the one before had read
    _unsure: bool = False  # whether one comparison is not enough (NOTE 4)
    _lengths: int = 0  # how often an update took more or fewer numbers than the last one

    @property
    def settled(self) -> bool:
        """Whether steps were compared and found alike, but for what they were handed."""
        varying = self.tapes or self.opaque or self._alone or len(self._known) > 1
        return self._alike >= _ENOUGH and not varying

    def tape_of(self, step: int) -> bool:
        """Whether a step has to be recorded, at least lean."""
        return self.tapes or self.waits_in(step) or (self._unsure and step < _EARLY)

    def saved_in(self, fingerprint: str) -> tuple[SavedPlace, ...]:
        """Where in a graph stands what is to be kept with light rows (NOTE 3).

        A graph that no full step has shown may be that of a known tape, met in another order: it
        is looked at in the same places.
        """
        own = self.saved.get(fingerprint, ())
        if own or len(self.saved) != 1 or any(fingerprint in graphs for graphs in self._known):
            return own
        return next(iter(self.saved.values()))

    def waits_in(self, step: int) -> bool:
        """Whether a step may be the one that a graph waits for (NOTE 2)."""
        alone = self._alone.values()
        return not self.tapes and any(step <= first + _ALONE for first in alone)

    def misses(self, fingerprint: str) -> bool:
        """Whether a step that begins with a graph is the first or the second one to do so."""
        known = {graphs[:1] for graphs in self._known.keys() - self._alone.keys()}
        return (fingerprint,) not in known

    def stands_first(self, fingerprint: str) -> bool:
        """Whether the run's first step is the only full one that begins with a graph."""
        alone = (graphs for graphs, first in self._alone.items() if first == 0)
        return any(graphs[:1] == (fingerprint,) for graphs in alone)

    def forget(self, graphs: tuple[str, ...]) -> None:
        """The full step of these graphs is no longer there."""
        self._known.pop(graphs, None)
        self._alone.pop(graphs, None)

    def see(
        self,
        step: int,
        template: Template,
        slots: Sequence[Entry],
        known: Known,
    ) -> tuple[int, ...]:
        """Compare a full step with the one before it of the same graph.

        Args:
            step: Its number.
            template: Its structure.
            slots: Its values.
            known: What is known of it beside its tape.

        Returns:
            Ids of what its nodes have saved that light rows keep from now on (NOTE 3).
        """
        if not self.opaque and (self._alike < _LOOKED or step % _LOOK_AGAIN == 0):
            self.backwards = _has_foreign_gradients(template, slots)
            self.opaque = self.backwards or _is_opaque(template)
        if self.tapes:
            return ()
        graphs = tuple([backward.fingerprint for backward in template.backwards])
        now = _Reading.of(self._outline(template), slots)
        self.backwards = self.backwards or bool(now.own())
        before = self._known.get(graphs)
        self._known[graphs] = now
        if before is None:
            self.tapes = len(self._known) > _STRUCTURES
            self._alone[graphs] = step
            return ()
        first = self._alone.pop(graphs, step)
        self._unsure = known.foreign and first > 0 and not self._alike
        if len(now.handed) != len(before.handed):
            # The modules of the first step are only known, and asked, behind it.
            read = {*now.handed, *now.outside}
            self.inputs = self.inputs or read != {*before.handed, *before.outside}
            self.tapes = bool(first) and now.serves_otherwise(before)
            return ()
        self.inputs = self.inputs or now.handed != before.handed
        other, saved = now.differs(before), None
        if other and first and (saved := self._saves(now, before, known.made)) is not None:
            other, self.inputs = False, True
        self._alike = 0 if other else self._alike + 1
        if other and not first:
            self._alone[graphs] = step  # it was compared with the run's first step
            return ()
        # Behind the first step, where a hook may have begun its state, also how many they are.
        same = len(now.own()) == len(before.own())
        otherwise = now.own() != before.own() and (same or first > 0)
        self.tapes = (
            other
            or otherwise
            or (not known.described and (now.update_differs(before) or self._searches(now, before)))
            or _draws_otherwise(template, slots, known.state)
        )
        if self.tapes:
            self.saved.clear()
            return ()
        if saved:
            self._known[graphs] = _Reading.of(_Outline.of(template, saved), slots)
            for fingerprint, place in saved.values():
                self.saved[fingerprint] = (*self.saved.get(fingerprint, ()), place)
        return tuple(saved or ())

    def _outline(self, template: Template) -> _Outline:
        if id(template) not in self._outlines:
            if len(self._outlines) >= _OUTLINES:
                self._outlines.clear()
            self._outlines[id(template)] = _Outline.of(template)
        return self._outlines[id(template)]

    def _saves(
        self, now: _Reading, before: _Reading, made: Collection[int]
    ) -> dict[int, tuple[str, SavedPlace]] | None:
        """What light rows are to keep that they do not hold yet of all that changes (NOTE 3).

        None where they cannot hold it.
        """
        outline = now.outline
        if any(tensor in made for tensor, _ in _outside(outline.template)):
            return None
        if now.rest() == before.rest():
            return {}
        same = len(now.outside) == len(before.outside)
        same = same and outline.kernels == before.outline.kernels
        return (outline.saved(now.changed(before)) or None) if same else None

    def _searches(self, now: _Reading, before: _Reading) -> bool:
        """Whether updates go on to take now more and now fewer kernels, as a line search does.

        The first one may make the optimizer's state.
        """
        self._lengths += len(now.update) != len(before.update)
        return self._lengths > 1


def _makers(template: Template, given: Collection[int]) -> frozenset[int]:
    draws = {i for i, kernel in enumerate(template.kernels) if kernel.generator is not None}
    return makers_of(template, given, draws)


def _following(
    template: Template, changed: Sequence[_Place], given: Collection[int]
) -> frozenset[int]:
    """The tensors that follow from what changed, up to what is given and to the graph's own."""
    found = {tensor for _, tensor in changed if tensor not in given}
    kernels = {kernel for kernel, _ in changed}
    for index, kernel in enumerate(template.kernels):
        if kernel.phase != "forward" or kernel.node is not None:
            continue
        if index in kernels or any(use.tensor in found for use in kernel.reads):
            found.update(use.tensor for use in kernel.makes if use.tensor not in given)
    return frozenset(found - {-1})


def _saved_in(template: Template, wanted: Collection[int]) -> dict[int, tuple[str, SavedPlace]]:
    """Where nodes have saved some tensors: each in the place that is nearest to a root."""
    found: dict[int, tuple[str, SavedPlace]] = {}
    for backward in template.backwards:
        paths = _paths(backward)
        for number, node in enumerate(backward.nodes):
            for one in node.saved:
                tensor = one.tensor
                if tensor is not None and tensor in wanted and number in paths:
                    place = SavedPlace(paths[number], node.name, one.name)
                    found.setdefault(tensor, (backward.fingerprint, place))
    return found


def _paths(backward: TapeBackward) -> dict[int, tuple[int, ...]]:
    """The way from the root to each node of a graph; none where it has several roots."""
    found: dict[int, tuple[int, ...]] = {0: ()} if len(backward.roots) == 1 else {}
    for start, position, end, _ in backward.edges:
        if start in found and end not in found:
            found[end] = (*found[start], position)
    return found


def _serving(template: Template) -> tuple[list[TapeKernel], set[int]]:
    """The kernels that a loss follows from, the last one first, and what they read."""
    wanted = {use.tensor for one in template.backwards for use in tensors_in(*one.roots)}
    kernels = []
    for kernel in reversed(template.kernels):
        if kernel.phase == "forward" and not wanted.isdisjoint(use.tensor for use in kernel.makes):
            wanted.update(use.tensor for use in kernel.reads)
            kernels.append(kernel)
    return kernels, wanted


def _own_code(template: Template) -> Iterator[TapeKernel]:
    """The kernels that hooks and Functions of the program ran in a backward.

    PyTorch numbers the names of its own nodes.
    """
    own = {
        index
        for backward in template.backwards
        for run in backward.runs
        if backward.nodes[run.node].name.endswith("Backward")
        for index in run.kernels
    }
    for index, kernel in enumerate(template.kernels):
        if kernel.hooked or index in own:
            yield kernel


def _is_opaque(template: Template) -> bool:
    """Whether a step did what a replay may not make again; see ``Needs.opaque``."""
    nodes = (node.name for backward in template.backwards for node in backward.nodes)
    return (
        any(name.endswith("Backward") for name in nodes)  # PyTorch numbers the names of its own
        or any(True for _ in _own_code(template))
        or not all(kernel.op.startswith(_PLAIN_OPERATORS) for kernel in template.kernels)
        or any(tensor.layout for tensor in template.tensors)
    )


def _has_foreign_gradients(template: Template, slots: Sequence[Entry]) -> bool:
    """Whether a node was sent what no kernel made, or what was changed behind one."""
    made = {use.tensor: use.slot for kernel in template.kernels for use in kernel.makes}
    for backward in template.backwards:
        given = {use.tensor for use in tensors_in(*backward.gradients)}
        for run in backward.runs:
            for use in tensors_in(*run.grad_outputs):
                known = template.tensors[use.tensor].alias
                if use.tensor not in made and use.tensor not in given and known is None:
                    return True
                if use.tensor in made and not alike(slots[made[use.tensor]], slots[use.slot]):
                    return True
    return False


def _draws_otherwise(template: Template, slots: Sequence[object], state: bytes | None) -> bool:
    """Whether a step's first draw began from another state of the generator than is known."""
    places = (kernel.generator for kernel in template.kernels if kernel.generator is not None)
    first = next(places, None)
    return first is not None and state is not None and slots[first] != state


def _outside(template: Template) -> Iterator[tuple[int, int]]:
    """Tensors that the forward reads and that nothing made or changes: id and slot.

    New memory that no kernel wrote is among them: NumPy did.
    """
    made = (kernel.makes for kernel in template.kernels if not kernel.op.startswith(_NOTHING_SET))
    changed = {use.tensor for uses in made for use in uses}
    for kernel in template.kernels:
        if kernel.phase != "forward":
            continue
        for argument in kernel.args:
            for use in tensors_in(argument.value):
                role = template.tensors[use.tensor].role
                plain = role in _PLAIN or argument.name in _RUNNING
                if not plain and use.tensor not in changed:
                    yield use.tensor, use.slot


def _constants(kernel: TapeKernel) -> Iterator[object]:
    sizes = not kernel.reads  # those of what it makes of nothing; else they may be the batch's
    for argument in kernel.args:
        if isinstance(argument.value, Const):
            yield argument.value.value
        elif sizes and isinstance(argument.value, ArgList):
            yield from (one.value for one in argument.value.items if isinstance(one, Const))


def _told(kernel: TapeKernel) -> object:
    return kernel.op, tuple(_constants(kernel))


def _numbers_of(kernels: Iterable[TapeKernel]) -> tuple[int, ...]:
    return tuple([slot for kernel in kernels for slot in _numbers(kernel)])


def _numbers(kernel: TapeKernel) -> Iterator[int]:
    for argument in kernel.args:
        yield from (number.slot for number in numbers_in(argument.value))


def read_from_outside(
    template: Template,
) -> tuple[frozenset[int], frozenset[int], Mapping[int, int]]:
    """What a lean step keeps: first readings of what nothing made, and numbers.

    Parameters and ``.grad`` are known from the light rows.

    Returns:
        These slots, among them those of optimizer state, and those that are read anew as NumPy may
        have changed them: by slot the one before.
    """
    kept: set[int] = set()
    state: set[int] = set()
    anew: dict[int, int] = {}
    last: dict[int, int] = {}
    roles = [tensor.role for tensor in template.tensors]
    results = (tensors_in(*backward.results) for backward in template.backwards)
    met = {use.tensor for found in results for use in found}
    met |= {number for number, role in enumerate(roles) if role in _IN_ROWS}

    filled: set[int] = set()  # memory that NumPy may fill at any time: all readings are kept

    def read(*args: Arg) -> None:
        kept.update(number.slot for number in numbers_in(*args))
        for use in tensors_in(*args):
            if use.tensor not in met or use.tensor in filled:
                kept.add(use.slot)
                if use.tensor in last:
                    anew[use.slot] = last[use.tensor]
                last[use.tensor] = use.slot
                if roles[use.tensor] == "state":
                    state.add(use.slot)
            met.add(use.tensor)

    for kernel in template.kernels:
        read(*(argument.value for argument in kernel.args))
        made = {use.tensor for use in kernel.makes}
        met |= made
        filled = filled | made if kernel.op.startswith(_NOTHING_SET) else filled - made
        if kernel.generator is not None:
            kept.add(kernel.generator)
    for backward in template.backwards:
        read(*backward.gradients, *backward.inputs)
    return frozenset(kept), frozenset(state), anew
