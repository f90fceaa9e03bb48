"""Writes out the structure of one step as a template (see ``trace.tape``).

A step is cut from the stream as a ``Segment``: what is the same each time (``keys``), and what
differs (``slots``, and which tensors were met). The first step of each structure goes through
``build_template``, which goes through the events once and then connects what refers across
them: which kernel made a node, which kernels a node ran, what the update consists of.

NOTE 1 [Phases]: outside of backward a step runs forward, update and zeroing kernels, and a
handwritten optimizer does not say which is which. The data say it: what writes a parameter is
the update, what sets a ``.grad`` to zero is the zeroing, and whatever only computes values for
one of these belongs to it.

NOTE 2 [Makers of nodes]: the first kernel that sees a new sequence number made the node that
has the number before it. A custom ``autograd.Function`` takes its number before its forward
runs, so it is no kernel of its own that sees it first: its node belongs to the kernel that made
the tensor which the next node of the graph reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Literal

import torch
from msgspec import structs

from autograd_lens.live.backward import (
    UNWATCHED,
    BackwardBegins,
    BackwardEnds,
    GradWritten,
    NodeRan,
    SavedAs,
    SavedList,
)
from autograd_lens.live.derivatives import DerivativeTable
from autograd_lens.live.frames import Site
from autograd_lens.live.mode import IN_BACKWARD, IN_HOOK, KernelKey
from autograd_lens.live.reading import DTYPE_NAMES
from autograd_lens.live.stream import NUMBER, TENSOR, Mark, Opaque, Spec, Stream, TensorEntry, Write
from autograd_lens.trace.records import Phase, Role, Source
from autograd_lens.trace.tape import (
    Arg,
    ArgList,
    Const,
    NumberSlot,
    TapeArgument,
    TapeBackward,
    TapeGradChange,
    TapeKernel,
    TapeNode,
    TapeRun,
    TapeSaved,
    TapeTensor,
    TapeUpdate,
    TapeWrite,
    TapeZeroGrad,
    Template,
    TensorSlot,
    tensors_in,
)
from autograd_lens.trace.values import Summary

__all__ = ["Segment", "Surroundings", "build_template"]

_ZEROING = frozenset({"zero_", "_foreach_zero_"})


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of events of the stream: one step.

    Attributes:
        keys: What is the same each time, per event.
        marks: Where each event's slots and uses begin.
        slots: Values of these events.
        entries: Tensor of each use.
        ids: Id within the step of each use.
        tensors: Tensor by id.
        handed: Ids of the tensors that modules and data loaders handed to the step, None for
            those that no kernel used.
        offset: Positions in the stream of the first slot and use.
    """

    keys: list[Any]
    marks: list[Mark]
    slots: list[Any]
    entries: list[TensorEntry]
    ids: list[int]
    tensors: list[TensorEntry]
    handed: tuple[int | None, ...]
    offset: tuple[int, int]

    @classmethod
    def cut(
        cls, stream: Stream, first: int, last: int, handed: Sequence[TensorEntry | None] = ()
    ) -> Segment:
        """The events from ``first`` to before ``last``."""
        slot_low, use_low = _start(stream, first)
        slot_high, use_high = _start(stream, last)
        entries = stream.uses[use_low:use_high]
        numbers: dict[TensorEntry, int] = {}
        ids = [numbers.setdefault(entry, len(numbers)) for entry in entries]
        return cls(
            keys=stream.keys[first:last],
            marks=stream.marks[first:last],
            slots=stream.slots[slot_low:slot_high],
            entries=entries,
            ids=ids,
            tensors=list(numbers),
            handed=tuple([None if one is None else numbers.get(one) for one in handed]),
            offset=(slot_low, use_low),
        )

    @property
    def key(self) -> Hashable:
        """Equal for two steps that differ in nothing but their slots."""
        specs = tuple([entry.spec for entry in self.tensors])
        return (tuple(self.keys), tuple(self.ids), specs, self.handed)

    def cursor(self, event: int) -> _Cursor:
        """Reads the slots and uses of one event."""
        return self.cursor_at(self.marks[event].slot, self.marks[event].use)

    def cursor_at(self, slot: int, use: int) -> _Cursor:
        """Reads from a position in the stream."""
        return _Cursor(self.ids, slot - self.offset[0], use - self.offset[1])


def _start(stream: Stream, event: int) -> tuple[int, int]:
    if event < len(stream.marks):
        return stream.marks[event][:2]
    return len(stream.slots), len(stream.uses)


@dataclass(slots=True)
class _Cursor:
    """Walks through the slots and uses of an event as its patterns ask for them."""

    ids: list[int]
    slot: int
    use: int

    def tensor(self) -> TensorSlot:
        """The next tensor, with its value."""
        return TensorSlot(self.identity(), self.skip())

    def identity(self) -> int:
        """The id of the next tensor, of which no value was read."""
        self.use += 1
        return self.ids[self.use - 1]

    def skip(self) -> int:
        """The next slot, which belongs to no argument."""
        self.slot += 1
        return self.slot - 1

    def arg(self, pattern: Any) -> Arg:
        """A pattern as the template writes it."""
        if pattern is TENSOR:
            return self.tensor()
        if pattern is NUMBER:
            return NumberSlot(self.skip())
        if isinstance(pattern, tuple):
            return ArgList(tuple([self.arg(item) for item in pattern[1:]]))
        return _constant(pattern)

    def value(self, pattern: Any) -> Arg:
        """The same, where None stands for no value at all."""
        return None if pattern is None else self.arg(pattern)


def _constant(constant: Any) -> Const:
    if isinstance(constant, Opaque):
        kind, _, name = constant.partition(":")
        return Const(kind, name)
    if isinstance(constant, torch.dtype):
        return Const("dtype", DTYPE_NAMES[constant])
    if isinstance(constant, torch.device):
        return Const("device", str(constant))
    if isinstance(constant, float) and not math.isfinite(constant):
        return Const("float", str(constant))
    return Const("scalar", constant)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a step beside its segment.

    Attributes:
        parameter: Gives the name of a parameter by index.
        source_of: Gives the line of a site.
        derivatives: PyTorch's formulas.
        writes: Kernels outside of backward that wrote a parameter or a ``.grad``.
        replaced: (parameter index, address) where a new tensor took the parameter's place.
        lean: Whether values that follow from others were left out.
    """

    parameter: Callable[[int], str]
    source_of: Callable[[tuple[int, int]], Source]
    derivatives: DerivativeTable
    writes: Sequence[Write] = ()
    replaced: Sequence[tuple[int, int]] = ()
    lean: bool = False


def build_template(segment: Segment, around: Surroundings) -> Template:
    """The template of one step."""
    return _Builder(segment, around).build()


Context = tuple[str, int] | None


@dataclass(slots=True)
class _Kernel:
    """A kernel while what it belongs to is still being found out.

    Attributes:
        one: What is known.
        reads: Ids of its tensors.
        makes: Ids of its results.
        views: Whether its result shares the memory of an argument.
        context: (phase, number of the call) of a known optimizer that ran it.
        region: How many backwards came before it.
    """

    one: TapeKernel
    reads: list[int]
    makes: list[int]
    views: bool
    context: Context
    region: int

    def set(self, **changes: Any) -> None:
        """Change what is known."""
        self.one = structs.replace(self.one, **changes)


@dataclass(slots=True)
class _Backward:
    """A run of the engine while its events are read.

    Attributes:
        begins: What it began with.
        cursor: Reads what belongs to it.
        sequences: Sequence number of each node.
        source: Position of the line that called it.
        position: How many kernels ran before it.
        roots: What it was called on.
        gradients: What it began with.
        inputs: What it was restricted to.
        saved: Of each node.
        leaves: Tensor id of the leaf of each ``AccumulateGrad``.
        runs: (node, grad_outputs, grad_inputs) in order.
        writes: To ``.grad``.
        error: What it raised.
    """

    begins: BackwardBegins
    sequences: tuple[int | None, ...]
    source: int | None
    position: int
    roots: tuple[Arg, ...]
    gradients: tuple[Arg, ...]
    inputs: tuple[Arg, ...]
    saved: list[tuple[TapeSaved, ...]]
    leaves: dict[int, int]
    runs: list[tuple[int, tuple[Arg, ...], tuple[Arg, ...]]] = field(default_factory=list)
    writes: list[TapeWrite] = field(default_factory=list)
    error: str = ""


class _Builder:
    """Goes through the events once, then connects what refers across events."""

    def __init__(self, segment: Segment, around: Surroundings) -> None:
        self._segment = segment
        self._around = around
        self._specs: dict[Any, int] = {}
        self._sites: dict[tuple[int, int], int] = {}
        self._kernels: list[_Kernel] = []
        self._kernel_of_event: dict[int, int] = {}
        self._backwards: list[_Backward] = []
        self._makers: dict[int, int] = {}  # sequence number -> kernel (NOTE 2)
        self._last_sequence = -1
        self._region = -1
        self._detached: dict[int, int] = {}  # the tensor that each one was detached from
        self._homes: dict[tuple[int, Spec], int] = {}  # first parameter of each memory

    def build(self) -> Template:
        for position, key in enumerate(self._segment.keys):
            match key:
                case KernelKey():
                    self._kernel(position, key)
                case NodeRan():
                    cursor = self._segment.cursor(position)
                    arrived = tuple([cursor.value(p) for p in key.grad_outputs])
                    computed = tuple([cursor.value(p) for p in key.grad_inputs])
                    self._backwards[-1].runs.append((key.node, arrived, computed))
                case GradWritten():
                    self._grad_write(position, key)
                case BackwardBegins():
                    self._begin(position, key)
                case BackwardEnds():
                    self._backwards[-1].error = key.error
        backwards = self._connected()
        updates, zero_grads, grad_changes = self._phases()
        return Template(
            tensors=self._tensors(),  # first of all: it fills in the specs
            specs=tuple(
                [(DTYPE_NAMES[d], tuple(shape), str(v or "cpu")) for d, shape, v in self._specs]
            ),
            sources=tuple([astuple(self._around.source_of(site)) for site in self._sites]),
            kernels=tuple([kernel.one for kernel in self._kernels]),
            backwards=tuple(backwards),
            updates=tuple(updates),
            zero_grads=tuple(zero_grads),
            grad_changes=tuple(grad_changes),
            handed=self._segment.handed,
            omitted=tuple(self._omissions()),
            slots=len(self._segment.slots),
            lean=self._around.lean,
        )

    # -- events -------------------------------------------------------------------------

    def _kernel(self, position: int, key: KernelKey) -> None:
        cursor = self._segment.cursor(position)
        schema = key.operator.op._schema
        names = [argument.name for argument in schema.arguments]
        args = [
            TapeArgument(names[i] if i < len(names) else f"arg{i}", cursor.arg(item))
            for i, item in enumerate(key.positional)
        ]
        args += [
            TapeArgument(name, cursor.arg(item), keyword=True) for name, item in key.keywords or ()
        ]
        generator = cursor.skip() if key.operator.draws else None
        several = isinstance(key.results, tuple)
        outs = [cursor.arg(r) for r in (key.results[1:] if several else (key.results,))]
        in_backward = key.context is IN_BACKWARD or key.context is IN_HOOK
        index = len(self._kernels)
        self._kernel_of_event[position] = index
        made = None if in_backward else self._makes_node(position, key)
        if not in_backward and key.grad_mode:
            self._note_maker(self._segment.marks[position].sequence - 1, index)
        module, training = key.module
        one = TapeKernel(
            op=str(key.operator.op),
            args=tuple(args),
            outs=tuple(tensors_in(*outs)),  # lists of tensors written out
            phase="backward" if in_backward else "forward",
            node=key.where if in_backward and key.where >= 0 else None,
            backward=max(len(self._backwards) - 1, 0),
            source=self._source(key.site),
            module=module,
            training=training,
            makes_node=made,
            grad_mode=key.grad_mode,
            generator=generator,
            hooked=key.context is IN_HOOK,
        )
        self._kernels.append(
            _Kernel(
                one=one,
                reads=[use.tensor for use in one.reads],
                makes=[use.tensor for use in one.makes],
                views=key.operator.views,
                context=None if in_backward else key.context,
                region=len(self._backwards),
            )
        )

    def _makes_node(self, position: int, key: KernelKey) -> bool | None:
        """Whether the kernel has a sequence number that the one before it had not.

        Numbers are counted from the last backward; of those used before the first kernel
        behind it, nothing is known but that there are none or some.
        """
        region = len(self._backwards)
        if region != self._region:
            self._region = region
            if key.grad_mode:
                return None if key.where > 1 else key.where == 1
        return key.grad_mode and self._segment.marks[position].sequence - 1 > self._last_sequence

    def _note_maker(self, sequence: int, kernel: int) -> None:
        if sequence > self._last_sequence:
            self._makers[sequence] = kernel
            self._last_sequence = sequence

    def _begin(self, position: int, key: BackwardBegins) -> None:
        cursor = self._segment.cursor(position)
        base = self._segment.marks[position].sequence
        source = self._source(key.site)
        self._backwards.append(
            _Backward(
                begins=key,
                sequences=tuple([None if s is None else s + base for s in key.sequence]),
                source=source,
                position=len(self._kernels),
                roots=tuple([cursor.value(pattern) for pattern in key.outputs]),
                gradients=tuple([cursor.value(pattern) for pattern in key.given]),
                inputs=tuple([cursor.value(pattern) for pattern in key.inputs]),
                leaves={node: cursor.identity() for node, _ in key.variables},
                saved=[
                    tuple([_saved(cursor, name, pattern) for name, pattern in fields])
                    for fields in key.saved
                ],
            )
        )
        self._claim_first_gradient(source)

    def _claim_first_gradient(self, source: int | None) -> None:
        """``backward()`` makes the gradient it starts with (``ones_like``) before the engine."""
        number = len(self._backwards) - 1
        for kernel in reversed(self._kernels):
            if source is None or kernel.one.source != source or kernel.one.phase == "backward":
                break
            kernel.set(phase="backward", node=None, backward=number, makes_node=None)

    def _grad_write(self, position: int, key: GradWritten) -> None:
        cursor = self._segment.cursor(position)
        before, arrived = cursor.value(key.old), cursor.value(key.incoming)
        mark = self._segment.marks[position]
        behind = self._segment.cursor_at(mark.slot + key.after_slot, mark.use + key.after_use)
        after = behind.value(key.new)
        backward = self._backwards[-1]
        backward.runs.append((key.node, (arrived,), ()))
        if key.parameter is not None:
            name = self._around.parameter(key.parameter)
            mode: Literal["set", "accumulate"] = "set" if before is None else "accumulate"
            backward.writes.append(TapeWrite(name, before, arrived, after, mode))

    # -- what refers across events --------------------------------------------------------

    def _tensors(self) -> tuple[TapeTensor, ...]:
        roles = self._roles()
        ids = {entry: number for number, entry in enumerate(self._segment.tensors)}
        return tuple(
            [
                self._tensor(entry, roles.get(number, entry.role), ids)
                for number, entry in enumerate(self._segment.tensors)
            ]
        )

    def _tensor(self, entry: TensorEntry, by_use: Role, ids: dict[TensorEntry, int]) -> TapeTensor:
        spec = self._specs.setdefault(entry.spec, len(self._specs))
        role = entry.role if entry.role != "intermediate" else by_use
        name = entry.name or ("loss" if role == "loss" else "")
        unusual = by_use == "input" and _are_unusual(entry.strides, entry.spec[1])
        alias = ids.get(entry.alias) if entry.alias is not None else None
        alias = self._detached.get(alias, alias) if alias is not None else None
        if role == "parameter" and entry.address:  # two Parameters may share one memory
            alias = self._homes.setdefault((entry.address, entry.spec), ids[entry])
            alias = None if alias == ids[entry] else alias
        strides = entry.strides if unusual else ()
        return TapeTensor(spec, role, name, strides, alias, entry.layout, entry.retains)

    def _roles(self) -> dict[int, Role]:
        """What a tensor is by how the step uses it: read before it is made, or a root."""
        roles: dict[int, Role] = {}
        for kernel in self._kernels:
            for tensor in kernel.reads:
                roles.setdefault(tensor, "input")
            for tensor in kernel.makes:
                roles.setdefault(tensor, "intermediate")
        for backward in self._backwards:
            for use in tensors_in(*backward.roots):
                roles[use.tensor] = "loss"
        return roles

    def _connected(self) -> list[TapeBackward]:
        self._detached = {
            kernel.makes[0]: kernel.reads[0]
            for kernel in self._kernels
            if kernel.one.op == "aten.detach.default" and kernel.makes
        }
        found = []
        for number, backward in enumerate(self._backwards):
            makers = self._makers_of(backward)
            for node, maker in enumerate(makers):
                if maker is not None and self._kernels[maker].one.node is None:
                    self._kernels[maker].set(node=node, backward=number)
            nodes = [self._node(backward, node, maker) for node, maker in enumerate(makers)]
            results = [self._result(number, makers, one) for one in backward.inputs]
            found.append(self._finished(number, backward, nodes, results))
        return found

    def _makers_of(self, backward: _Backward) -> list[int | None]:
        """The kernel that made each node (NOTE 2)."""
        makers = [None if s is None else self._makers.get(s) for s in backward.sequences]
        for node, kind in enumerate(backward.begins.types):
            if issubclass(kind, torch.autograd.function.BackwardCFunction):
                makers[node] = None
        for start, place, end, output in backward.begins.edges:
            reader = makers[start]
            own = issubclass(backward.begins.types[end], torch.autograd.function.BackwardCFunction)
            if own and makers[end] is None and reader is not None:
                makers[end] = self._maker_read(reader, place, output)
        return makers

    def _maker_read(self, reader: int, place: int, _output: int) -> int | None:
        """The kernel that made the tensor which a node's kernel reads at an input position."""
        smooth = [
            tensor
            for tensor in self._kernels[reader].reads
            if self._segment.tensors[tensor].spec[0].is_floating_point
            or self._segment.tensors[tensor].spec[0].is_complex
        ]
        if place >= len(smooth):
            return None
        made = (i for i in range(reader - 1, -1, -1) if smooth[place] in self._kernels[i].makes)
        return next(made, None)

    def _node(self, backward: _Backward, node: int, maker: int | None) -> TapeNode:
        begins = backward.begins
        name = begins.types[node].__name__
        kernel = None if maker is None else self._kernels[maker].one
        formula = self._around.derivatives.formula(kernel.op if kernel else "", name)
        saved = backward.saved[node] if backward.saved else ()
        if kernel is not None:
            saved = tuple([_with_made(one, kernel, self._detached) for one in saved])
        return TapeNode(
            name=name,
            formula=formula,
            kernel=maker,
            saved=saved,
            variable=self._leaf_name(begins, node),
            leaf=backward.leaves.get(node),
        )

    def _leaf_name(self, begins: BackwardBegins, node: int) -> str | None:
        leaves = dict(begins.variables)
        if node not in leaves:
            return None
        leaf = leaves[node]
        return leaf if isinstance(leaf, str) else self._around.parameter(leaf)

    def _result(self, number: int, makers: Sequence[int | None], asked: Arg) -> Arg:
        """What ``torch.autograd.grad`` returned for a tensor: all that was sent where it is."""
        backward = self._backwards[number]
        if backward.begins.flags.kind != "grad" or not isinstance(asked, TensorSlot):
            return None
        made = {
            node: maker
            for node, maker in enumerate(makers)
            if maker is not None and asked.tensor in self._kernels[maker].makes
        }
        leaf = next((n for n, tensor in backward.leaves.items() if tensor == asked.tensor), None)
        node = max(made, key=lambda one: made[one], default=-1) if leaf is None else leaf
        runs = {run[0]: run[2] for run in backward.runs}
        sent = [
            runs[start][place]
            for start, place, end, _ in backward.begins.edges
            if end == node and place < len(runs.get(start, ()))
        ]
        return self._added_up(number, [use for use in sent if isinstance(use, TensorSlot)])

    def _added_up(self, number: int, sent: Sequence[TensorSlot]) -> Arg:
        """The sum of some gradients, which the engine adds up one by one."""
        total = next(iter(sent), None)
        parts = {use.tensor for use in sent}
        for kernel in self._kernels if len(sent) > 1 else ():
            engine = kernel.one.phase == "backward" and kernel.one.backward == number
            if engine and kernel.one.op.startswith("aten.add") and parts.intersection(kernel.reads):
                total = kernel.one.makes[0]
                parts.add(total.tensor)
        return total

    def _finished(
        self,
        number: int,
        backward: _Backward,
        nodes: Sequence[TapeNode],
        results: Sequence[Arg],
    ) -> TapeBackward:
        ran: dict[int | None, list[int]] = {}
        for index, kernel in enumerate(self._kernels):
            if kernel.one.phase == "backward" and kernel.one.backward == number:
                ran.setdefault(kernel.one.node, []).append(index)
        begins = backward.begins
        return TapeBackward(
            kind="backward" if begins.flags.kind == "backward" else "grad",
            roots=backward.roots,
            gradients=backward.gradients,
            inputs=backward.inputs,
            results=tuple(results) if begins.flags.kind == "grad" else (),
            retain_graph=begins.flags.retain_graph,
            create_graph=begins.flags.create_graph,
            source=backward.source,
            fingerprint=begins.flags.fingerprint,
            error=backward.error,
            position=backward.position,
            nodes=tuple(nodes),
            edges=begins.edges,
            runs=tuple(
                [TapeRun(node, a, c, tuple(ran.get(node, ()))) for node, a, c in backward.runs]
            ),
            writes=tuple(backward.writes),
        )

    def _source(self, site: Site) -> int | None:
        return None if site is None else self._sites.setdefault(site, len(self._sites))

    def _omissions(self) -> Iterator[str]:
        summarized = sum(isinstance(slot, Summary) for slot in self._segment.slots)
        if summarized:
            yield (
                f"{summarized} values were larger than the budget; of these the statistics, "
                "a sample and a digest were kept."
            )
        names = {kind.__name__ for one in self._backwards for kind in one.begins.types}
        for name in sorted(names & UNWATCHED):
            yield (
                f"The kernels of {name} are left out: torch computes it otherwise where they "
                "are seen."
            )

    # -- phases (NOTE 1) --------------------------------------------------------------------

    def _phases(self) -> tuple[list[TapeUpdate], list[TapeZeroGrad], list[TapeGradChange]]:
        """Set the phase of each kernel; returns the updates, clearings and other changes."""
        ancestors = _ancestors(self._kernels)
        # What an optimizer's closure ran stands before a backward; the update, behind the last one.
        last = {kernel.context: kernel.region for kernel in self._kernels}
        for kernel in self._kernels:
            if kernel.context is not None and kernel.region == last[kernel.context]:
                kernel.set(phase=kernel.context[0])
        groups: dict[Any, _Update] = {}
        zero_grads = []
        for write in self._kernel_writes():
            kernel = self._kernels[write.event]
            zeroes = write.kind == "g" and _zeroes(kernel.one)
            sources = ancestors(write.event)
            self._mark(sources, "zero_grad" if zeroes else "update")
            if zeroes:
                before, after = _written(kernel.one, write)
                name = self._around.parameter(write.parameter)
                zero_grads.append(TapeZeroGrad(name, before, after, kernel.one.source))
            else:
                key = (write.kind, write.parameter, kernel.region, kernel.context)
                group = groups.setdefault(key, _Update(write, write))
                group.last = write
                group.kernels.update(sources)
        updates = [self._update(one) for one in groups.values() if one.first.kind == "p"]
        changes = [self._grad_change(one) for one in groups.values() if one.first.kind == "g"]
        return updates, zero_grads, changes

    def _kernel_writes(self) -> Iterator[Write]:
        for write in self._around.writes:
            if write.event in self._kernel_of_event:
                yield write._replace(event=self._kernel_of_event[write.event])
        for parameter, address in self._around.replaced:
            maker = self._maker_at(address, self._around.parameter(parameter))
            if maker is not None:
                yield Write(maker, "p", parameter, -1, -1)

    def _maker_at(self, address: int, name: str) -> int | None:
        """The last kernel outside of backward that made what is at an address now.

        That is what made the memory, rather than viewed it; or, as where a parameter is a part of
        a long vector, what cut just that part.

        Args:
            address: The address.
            name: The parameter that stands there now.
        """
        tensors = self._segment.tensors
        here = {i for i, entry in enumerate(tensors) if entry.address == address}
        makers = [
            index
            for index, kernel in enumerate(self._kernels)
            if kernel.one.phase != "backward" and not here.isdisjoint(kernel.makes)
        ]
        own = [index for index in makers if not self._kernels[index].views]
        stands = {i for i, entry in enumerate(tensors) if entry.name == name}
        spec = next((tensors[i].spec for i in stands), None)
        for index in reversed(makers):
            kernel = self._kernels[index]
            base = kernel.reads[0] if kernel.views else -1
            if tensors[kernel.makes[0]].spec == spec and base not in stands:
                if base in here and tensors[base].spec == spec:
                    continue  # it views what another kernel has made
                return index
        return own[-1] if own else None

    def _mark(self, indexes: set[int], phase: Phase) -> None:
        for index in indexes:
            if self._kernels[index].one.phase == "forward":
                self._kernels[index].set(phase=phase)

    def _update(self, group: _Update) -> TapeUpdate:
        before, _ = _written(self._kernels[group.first.event].one, group.first)
        _, after = _written(self._kernels[group.last.event].one, group.last)
        parameter = self._around.parameter(group.first.parameter)
        indexes = sorted(group.kernels)
        return TapeUpdate(
            parameter=parameter,
            before=before,
            after=after,
            grad=self._first_use(indexes, f"{parameter}.grad"),
            kernels=tuple(indexes),
            source=self._kernels[group.last.event].one.source,
        )

    def _grad_change(self, group: _Update) -> TapeGradChange:
        last = self._kernels[group.last.event].one
        before, _ = _written(self._kernels[group.first.event].one, group.first)
        _, after = _written(last, group.last)
        name = self._around.parameter(group.first.parameter)
        return TapeGradChange(name, before, after, tuple(sorted(group.kernels)), last.source)

    def _first_use(self, indexes: Sequence[int], name: str) -> Arg:
        for index in indexes:
            one = self._kernels[index].one
            for use in (*one.reads, *one.makes):
                if self._segment.tensors[use.tensor].name == name:
                    return use
        return None


@dataclass(slots=True)
class _Update:
    """All writes that make up one update of one parameter, or one change of one ``.grad``."""

    first: Write
    last: Write
    kernels: set[int] = field(default_factory=set)


def _ancestors(kernels: Sequence[_Kernel]) -> Callable[[int], set[int]]:
    """Finds a kernel and all that it needed within its own region, without autograd's."""
    latest: dict[int, int] = {}
    needs: list[set[int]] = []
    for index, kernel in enumerate(kernels):
        needs.append({latest[tensor] for tensor in kernel.reads if tensor in latest})
        latest.update(dict.fromkeys(kernel.makes, index))

    def found_from(index: int) -> set[int]:
        region = kernels[index].region
        found, waiting = {index}, [index]
        while waiting:
            for source in needs[waiting.pop()] - found:
                kernel = kernels[source]
                inside = kernel.region == region and kernel.one.phase != "backward"
                if inside and kernel.one.node is None:
                    found.add(source)
                    waiting.append(source)
        return found

    return found_from


def _saved(cursor: _Cursor, name: str, pattern: Any) -> TapeSaved:
    if pattern is SavedAs.TENSOR or pattern is SavedAs.COPY:
        held = cursor.tensor()
        return TapeSaved(name, held, held.tensor if pattern is SavedAs.TENSOR else None)
    if isinstance(pattern, SavedList):
        return TapeSaved(
            name, ArgList(tuple([_saved(cursor, name, item).value for item in pattern.items]))
        )
    return TapeSaved(name, cursor.value(pattern))


def _with_made(one: TapeSaved, kernel: TapeKernel, detached: dict[int, int]) -> TapeSaved:
    """A saved tensor with the slot of its value when the forward made the node.

    A node keeps its own output through a ``detach``, which would else be taken for it.
    """
    if one.tensor is None:
        return one
    slots = {use.tensor: use.slot for use in (*kernel.reads, *kernel.makes)}
    origin = detached.get(one.tensor, one.tensor)
    tensor = origin if one.tensor not in slots and origin in slots else one.tensor
    return TapeSaved(one.name, one.value, tensor, slots.get(tensor), one.note)


def _zeroes(kernel: TapeKernel) -> bool:
    name = kernel.op.split(".")[1]
    if name == "fill_":
        filler = kernel.args[1].value
        return isinstance(filler, Const) and filler.value in (0, False)
    return name in _ZEROING


def _written(kernel: TapeKernel, write: Write) -> tuple[Arg, Arg]:
    """The written tensor before and after the kernel.

    Where a new tensor took the parameter's place, there is none before, and after is the one
    the kernel made.
    """
    if write.argument < 0:
        return None, next(tensors_in(kernel.outs[0]))
    given = kernel.args[write.argument].value
    before = given.items[write.item] if isinstance(given, ArgList) and write.item >= 0 else given
    if not isinstance(before, TensorSlot):
        return None, None
    after = [use for use in kernel.makes if use.tensor == before.tensor]
    return before, after[-1] if after else None


def _are_unusual(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether they are not those of a new tensor; formulas look at dimensions of size 1, too."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=False):
        if stride != expected:
            return True
        expected *= max(size, 1)
    return False
