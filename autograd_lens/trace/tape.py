"""The tape of a step: its structure, typed, and the way from it to records.

Steps of one training loop nearly always run the same kernels in the same order, so the
structure of a full step is stored once, as a ``Template``, and a step adds only its *slots*:
a flat list of the values that the template refers to by position. A slot holds raw bytes, a
``Summary``, a number, or None where nothing was kept. ``records_of`` puts the two together.

NOTE 1 [Checked once]: a template may come from a stranger. Its types are checked where it is
read, and ``checked`` sees that every position it names is there, so that whoever has a
``Template`` need not look again. Only slots, which differ from step to step, are checked where
they are used.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Edge,
    GradChange,
    GradMode,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    ParameterUpdate,
    Phase,
    Role,
    SavedTensor,
    Source,
    TensorSpec,
    TensorUse,
    ZeroGrad,
)
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.values import Entry, Value, as_value, differ

__all__ = [
    "Arg",
    "ArgList",
    "Const",
    "NumberSlot",
    "StepTape",
    "TapeArgument",
    "TapeBackward",
    "TapeGradChange",
    "TapeKernel",
    "TapeNode",
    "TapeRun",
    "TapeSaved",
    "TapeTensor",
    "TapeUpdate",
    "TapeWrite",
    "TapeZeroGrad",
    "Template",
    "TensorSlot",
    "ValueSlot",
    "check_slots",
    "checked",
    "makers_of",
    "numbers_in",
    "records_of",
    "tensors_in",
]

# -- arguments ----------------------------------------------------------------------------


class TensorSlot(Struct, frozen=True, array_like=True, tag="t"):
    """A tensor of the step, as a kernel read or wrote it.

    Attributes:
        tensor: Its id in the step, the position in ``Template.tensors``.
        slot: Where its value stands.
    """

    tensor: int
    slot: int


class ValueSlot(Struct, frozen=True, array_like=True, tag="v"):
    """A value whose tensor has no identity in the step.

    Attributes:
        spec: Position in ``Template.specs``.
        slot: Where the value stands.
    """

    spec: int
    slot: int


class NumberSlot(Struct, frozen=True, array_like=True, tag="c"):
    """A number that varies from step to step.

    Attributes:
        slot: Where it stands.
    """

    slot: int


class Const(Struct, frozen=True, array_like=True, tag="k"):
    """An argument that is the same in every step of the structure.

    Attributes:
        kind: As in ``Constant``; ``"float"`` for a number that is not finite.
        value: The number, text or None; ``"inf"``, ``"-inf"`` or ``"nan"`` of one that is not
            finite, which JSON cannot hold.
    """

    kind: str
    value: bool | int | float | str | None

    @property
    def constant(self) -> Constant:
        """The constant as records hold it."""
        if self.kind == "float":
            return Constant("scalar", float(str(self.value)))
        return Constant(self.kind, self.value)


class ArgList(Struct, frozen=True, array_like=True, tag="l"):
    """A list of arguments.

    Attributes:
        items: What is in it.
    """

    items: tuple[Arg, ...]


Arg = TensorSlot | ValueSlot | NumberSlot | Const | ArgList | None
"""One argument, result or saved value; None where there is none."""


def tensors_in(*args: Arg) -> Iterator[TensorSlot]:
    """All tensors among some arguments, in order, those in lists too."""
    for arg in args:
        if isinstance(arg, TensorSlot):
            yield arg
        elif isinstance(arg, ArgList):
            yield from tensors_in(*arg.items)


def numbers_in(*args: Arg) -> Iterator[NumberSlot]:
    """All numbers that differ from step to step, in order."""
    for arg in args:
        if isinstance(arg, NumberSlot):
            yield arg
        elif isinstance(arg, ArgList):
            yield from numbers_in(*arg.items)


# -- the template -------------------------------------------------------------------------


class TapeTensor(Struct, frozen=True, array_like=True):
    """One tensor of the step.

    Attributes:
        spec: Position in ``Template.specs``.
        role: What it is in this step.
        name: Name in the program, else ``""``.
        strides: In elements, where it comes from outside and has unusual ones.
        alias: Id of the tensor whose memory it is, where it is another object for the same
            memory and no kernel made it: what a node gives back of what it saved.
        layout: How it holds its elements, ``""`` for strided; ``"sparse_coo"`` and the like.
        retains: Whether the program asked for its gradient with ``retain_grad()``.
    """

    spec: int
    role: Role
    name: str
    strides: tuple[int, ...] = ()
    alias: int | None = None
    layout: str = ""
    retains: bool = False


class TapeArgument(Struct, frozen=True, array_like=True):
    """One argument of a kernel; see ``Argument``."""

    name: str
    value: Arg
    keyword: bool = False


class TapeKernel(Struct, frozen=True):
    """One ATen call.

    Attributes:
        op: Operator with overload.
        args: All arguments in the order of the call, those given by name last.
        outs: Results, lists of them written out.
        phase: What the step was doing.
        node: In backward, the node that ran it; in forward, the node it made.
        backward: Which backward ``node`` belongs to.
        source: Position in ``Template.sources``.
        module: Path of the innermost module.
        training: Whether that module was in training mode.
        makes_node: Whether autograd made a node for its results.
        grad_mode: Whether gradients were switched on when the program called it.
        generator: Where it may draw random numbers, the slot that holds the state of the
            generator it draws from, as bytes; None stands there where the state is the one
            that the last such kernel of the step left, and where it is not known.
        hooked: In backward, whether a hook of the program ran it: one on a tensor, or on what a
            node saved, as activation checkpointing has to compute a forward again.
    """

    op: str
    args: tuple[TapeArgument, ...]
    outs: tuple[Arg, ...]
    phase: Phase
    node: int | None
    backward: int
    source: int | None
    module: str
    training: bool | None
    makes_node: bool | None
    grad_mode: bool
    generator: int | None
    hooked: bool = False

    @property
    def reads(self) -> list[TensorSlot]:
        """All tensors among the arguments, in order."""
        return list(tensors_in(*(one.value for one in self.args)))

    @property
    def makes(self) -> list[TensorSlot]:
        """All tensors among the results, in order."""
        return list(tensors_in(*self.outs))


class TapeSaved(Struct, frozen=True):
    """What a node saved; see ``SavedTensor``.

    Attributes:
        name: Name in PyTorch's formula.
        value: The value as the node was about to run, or a constant.
        tensor: Id of the forward tensor it is, where known.
        made: The slot that holds its value as the forward made it.
        note: Why the value is missing, else ``""``.
    """

    name: str
    value: Arg
    tensor: int | None = None
    made: int | None = None
    note: str = ""


class TapeNode(Struct, frozen=True):
    """One node of a graph; see ``Node``.

    Attributes:
        name: PyTorch's name.
        formula: PyTorch's derivative formulas as (input, expression).
        kernel: The forward kernel that made it.
        saved: What it keeps.
        variable: For ``AccumulateGrad`` the name of its parameter, ``""`` for another leaf.
        leaf: For ``AccumulateGrad`` the id of its tensor, where the step used it.
    """

    name: str
    formula: tuple[tuple[str, str], ...]
    kernel: int | None
    saved: tuple[TapeSaved, ...]
    variable: str | None
    leaf: int | None


class TapeRun(Struct, frozen=True):
    """One node as the engine ran it; see ``NodeRun``."""

    node: int
    grad_outputs: tuple[Arg, ...]
    grad_inputs: tuple[Arg, ...]
    kernels: tuple[int, ...]


class TapeWrite(Struct, frozen=True):
    """One write to a ``.grad``; see ``GradWrite``."""

    parameter: str
    before: Arg
    incoming: Arg
    after: Arg
    mode: GradMode


class TapeBackward(Struct, frozen=True):
    """One run of the engine; see ``Backward``.

    Attributes:
        kind: ``"backward"`` or ``"grad"``.
        roots: What it was called on.
        gradients: What it was given for its roots, None where it makes ones.
        inputs: The tensors it was restricted to (``inputs=``); empty where it was not.
        results: What ``torch.autograd.grad`` returned.
        retain_graph: As given or defaulted.
        create_graph: As given or defaulted.
        source: Position in ``Template.sources``.
        fingerprint: Id of the graph's structure.
        error: ``"Type: message"`` of what it raised, else ``""``.
        position: How many kernels of the tape ran before it.
        nodes: Roots first.
        edges: (from_node, input_position, to_node, output_nr) of each.
        runs: The nodes in the order the engine ran them.
        writes: What happened to each ``.grad``.
    """

    kind: Literal["backward", "grad"]
    roots: tuple[Arg, ...]
    gradients: tuple[Arg, ...]
    inputs: tuple[Arg, ...]
    results: tuple[Arg, ...]
    retain_graph: bool
    create_graph: bool
    source: int | None
    fingerprint: str
    error: str
    position: int
    nodes: tuple[TapeNode, ...]
    edges: tuple[tuple[int, int, int, int], ...]
    runs: tuple[TapeRun, ...]
    writes: tuple[TapeWrite, ...]


class TapeUpdate(Struct, frozen=True):
    """What the update did to one parameter; see ``ParameterUpdate``."""

    parameter: str
    before: Arg
    after: Arg
    grad: Arg
    kernels: tuple[int, ...]
    source: int | None


class TapeGradChange(Struct, frozen=True):
    """What a change outside of backward did to a ``.grad``; see ``GradChange``."""

    parameter: str
    before: Arg
    after: Arg
    kernels: tuple[int, ...]
    source: int | None


class TapeZeroGrad(Struct, frozen=True):
    """One clearing of a ``.grad``; see ``ZeroGrad``."""

    parameter: str
    before: Arg
    after: Arg
    source: int | None


class Template(Struct, frozen=True):
    """The structure of full steps.

    Attributes:
        specs: (dtype, sizes, device) of tensors.
        sources: (file, line, end_line, column, end_column, function); see ``Source``.
        tensors: Every tensor by its id.
        kernels: Every kernel in order.
        backwards: Every run of the engine in order.
        updates: Parameter updates in order.
        zero_grads: Clearings of ``.grad`` in order.
        grad_changes: Other changes of ``.grad`` outside of backward in order.
        handed: Ids of the tensors that modules and data loaders handed to the step, in the
            order in which light rows keep them; None for one that no kernel used.
        omitted: Sentences that say what was left out and why.
        slots: How many slots a step of this structure has.
        lean: Whether the slots hold only what the step reads from outside, and numbers: what it
            computes from them is None there, and follows by executing the tape. The backwards
            of such a template name no nodes but those of custom Functions' graphs, and their
            kernels are on the tape only where the graph has such a node.
    """

    specs: tuple[tuple[str, tuple[int, ...], str], ...]
    sources: tuple[tuple[str, int, int, int, int, str], ...]
    tensors: tuple[TapeTensor, ...]
    kernels: tuple[TapeKernel, ...]
    backwards: tuple[TapeBackward, ...]
    updates: tuple[TapeUpdate, ...]
    zero_grads: tuple[TapeZeroGrad, ...]
    grad_changes: tuple[TapeGradChange, ...]
    handed: tuple[int | None, ...]
    omitted: tuple[str, ...]
    slots: int
    lean: bool

    def spec(self, tensor: int) -> TensorSpec:
        """What a tensor is, by its id."""
        one = self.tensors[tensor]
        dtype, shape, device = self.specs[one.spec]
        return TensorSpec(one.name, shape, dtype, device, one.role)


def makers_of(template: Template, given: Collection[int], draws: Container[int]) -> frozenset[int]:
    """The kernels that serve for nothing but making tensors that are known without them.

    Args:
        template: The structure.
        given: Ids of these tensors.
        draws: Kernels that have to stay, as they move the random generator on.
    """
    since: dict[int, int] = {}  # the last kernel that made each
    outside: set[int] = set()
    for index, kernel in enumerate(template.kernels):
        outside.update(use.tensor for use in kernel.reads if use.tensor not in since)
        since |= {use.tensor: index for use in kernel.makes if use.tensor in given}
    since = {tensor: index for tensor, index in since.items() if tensor not in outside}
    used = {use.tensor for one in template.backwards for use in tensors_in(*one.roots)}
    last = max(since.values(), default=-1)
    dropped: set[int] = set()
    for index in reversed(range(len(template.kernels))):
        kernel = template.kernels[index]
        makes = [use.tensor for use in kernel.makes]
        live = any(one in used and since.get(one, -1) < index for one in makes)
        serves = bool(dropped) or any(one in since for one in makes)
        idle = index <= last and kernel.phase == "forward" and serves and not live
        if idle and index not in draws:
            dropped.add(index)
        else:
            used.update(use.tensor for use in kernel.reads)
    return frozenset(dropped)


def checked(template: Template) -> Template:
    """A template that was read from a file, where everything it names is there (NOTE 1).

    Raises:
        NotATraceError: It names what is not there; the message says what.
    """
    for place in _misplaced(template):
        damaged(f"the structure of a full step names what is not there: {place}")
    return template


def _misplaced(template: Template) -> Iterator[str]:
    """Positions that a template names and that are not there, in words."""
    kernels, tensors = len(template.kernels), len(template.tensors)
    yield from _beyond("tensors.spec", (t.spec for t in template.tensors), len(template.specs))
    aliases = (t.alias for t in template.tensors if t.alias is not None)
    yield from _beyond("tensors.alias", aliases, tensors)
    handed = (number for number in template.handed if number is not None)
    yield from _beyond("handed", handed, tensors)
    if any(size < 0 for _, shape, _ in template.specs for size in shape):
        yield "a size below zero"
    yield from _beyond("source", _sources(template), len(template.sources))
    yield from _wrong_slots(template, _all_args(template))
    states = (one.generator for one in template.kernels if one.generator is not None)
    yield from _beyond("generator", states, template.slots)
    for one in template.kernels:
        if one.node is not None and not 0 <= one.backward < len(template.backwards):
            yield f"backward {one.backward} of {one.op}"
        elif one.node is not None:
            yield from _beyond("node", (one.node,), len(template.backwards[one.backward].nodes))
    for backward in template.backwards:
        yield from _misplaced_in(backward, kernels, tensors, template.slots)
    for update in template.updates:
        yield from _beyond("updates.kernels", update.kernels, kernels)
    for change in template.grad_changes:
        yield from _beyond("grad_changes.kernels", change.kernels, kernels)


def _misplaced_in(backward: TapeBackward, kernels: int, tensors: int, slots: int) -> Iterator[str]:
    nodes = len(backward.nodes)
    yield from _beyond("position", (backward.position,), kernels + 1)
    ends = itertools.chain.from_iterable((start, end) for start, _, end, _ in backward.edges)
    yield from _beyond("edges", ends, nodes)
    positions = (max(-one, 0) for _, place, _, output in backward.edges for one in (place, output))
    yield from _beyond("edges", positions, 1)
    yield from _beyond("runs.node", (run.node for run in backward.runs), nodes)
    ran = itertools.chain.from_iterable(run.kernels for run in backward.runs)
    yield from _beyond("runs.kernels", ran, kernels)
    for node in backward.nodes:
        yield from _beyond("nodes.kernel", (() if node.kernel is None else (node.kernel,)), kernels)
        yield from _beyond("nodes.leaf", (() if node.leaf is None else (node.leaf,)), tensors)
        saved = (one.tensor for one in node.saved if one.tensor is not None)
        yield from _beyond("saved.tensor", saved, tensors)
        made = (one.made for one in node.saved if one.made is not None)
        yield from _beyond("saved.made", made, slots)


def _beyond(what: str, positions: Iterator[int] | Sequence[int], limit: int) -> Iterator[str]:
    for position in positions:
        if not 0 <= position < limit:
            yield f"{what} {position}, of {limit}"


def _sources(template: Template) -> Iterator[int]:
    places = [
        *(one.source for one in template.kernels),
        *(one.source for one in template.backwards),
        *(one.source for one in template.updates),
        *(one.source for one in template.zero_grads),
        *(one.source for one in template.grad_changes),
    ]
    return (place for place in places if place is not None)


def _all_args(template: Template) -> Iterator[Arg]:
    for kernel in template.kernels:
        yield from (one.value for one in kernel.args)
        yield from kernel.outs
    for backward in template.backwards:
        yield from (*backward.roots, *backward.gradients, *backward.inputs, *backward.results)
        for run in backward.runs:
            yield from (*run.grad_outputs, *run.grad_inputs)
        for write in backward.writes:
            yield from (write.before, write.incoming, write.after)
        for node in backward.nodes:
            yield from (one.value for one in node.saved)
    for update in template.updates:
        yield from (update.before, update.after, update.grad)
    for clearing in template.zero_grads:
        yield from (clearing.before, clearing.after)
    for change in template.grad_changes:
        yield from (change.before, change.after)


def _wrong_slots(template: Template, args: Iterator[Arg]) -> Iterator[str]:
    slots, tensors, specs = template.slots, len(template.tensors), len(template.specs)
    for arg in args:
        if isinstance(arg, TensorSlot | ValueSlot | NumberSlot):
            yield from _beyond("slot", (arg.slot,), slots)
        if isinstance(arg, TensorSlot):
            yield from _beyond("tensor", (arg.tensor,), tensors)
        elif isinstance(arg, ValueSlot):
            yield from _beyond("spec", (arg.spec,), specs)
        elif isinstance(arg, ArgList):
            yield from _wrong_slots(template, iter(arg.items))


# -- to records ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepTape:
    """What a full step adds to its light rows.

    Attributes:
        kernels: The tape.
        backwards: Runs of the engine with their graphs.
        updates: Parameter updates, without expressions.
        zero_grads: Clearings of ``.grad``.
        grad_changes: Other changes of ``.grad``, without expressions.
        omitted: What was left out and why.
    """

    kernels: tuple[Kernel, ...]
    backwards: tuple[Backward, ...]
    updates: tuple[ParameterUpdate, ...]
    zero_grads: tuple[ZeroGrad, ...]
    grad_changes: tuple[GradChange, ...]
    omitted: tuple[str, ...]


def records_of(
    template: Template, slots: Sequence[Entry], dots: Mapping[int, str] | None = None
) -> StepTape:
    """The records of a full step.

    Args:
        template: The structure.
        slots: What it refers to by position.
        dots: Drawing of each backward that has one, by index.

    Raises:
        NotATraceError: The two do not fit.
    """
    check_slots(template, slots)
    return _Records(template, slots).tape(dots or {})


def check_slots(template: Template, slots: Sequence[Entry]) -> None:
    """Refuse a step that holds less than its structure refers to.

    Raises:
        NotATraceError: It does.
    """
    if len(slots) < template.slots:
        damaged(f"a full step has {len(slots)} values where {template.slots} belong")


class _Records:
    def __init__(self, template: Template, slots: Sequence[Entry]) -> None:
        self._template = template
        self._slots = slots
        self._tensors = [template.spec(number) for number in range(len(template.tensors))]
        self._lines = [Source(*place) for place in template.sources]

    def tape(self, dots: Mapping[int, str]) -> StepTape:
        template = self._template
        return StepTape(
            kernels=tuple(map(self._kernel, itertools.count(), template.kernels)),
            backwards=tuple(
                self._backward(index, one, dots.get(index, ""))
                for index, one in enumerate(template.backwards)
            ),
            updates=tuple(map(self._update, template.updates)),
            zero_grads=tuple(map(self._zero_grad, template.zero_grads)),
            grad_changes=tuple(map(self._grad_change, template.grad_changes)),
            omitted=template.omitted,
        )

    def _kernel(self, index: int, one: TapeKernel) -> Kernel:
        return Kernel(
            index=index,
            op=one.op,
            inputs=tuple(
                Argument(argument.name, self._use(argument.value), argument.keyword)
                for argument in one.args
            ),
            outputs=tuple(map(self._output, one.outs)),
            phase=one.phase,
            node=one.node,
            backward=one.backward,
            source=self._source(one.source),
            module=one.module,
            training=one.training,
            requires_grad=one.makes_node,
        )

    def _backward(self, index: int, one: TapeBackward, dot: str) -> Backward:
        return Backward(
            index=index,
            kind=one.kind,
            roots=self._values(one.roots),
            retain_graph=one.retain_graph,
            create_graph=one.create_graph,
            source=self._source(one.source),
            fingerprint=one.fingerprint,
            grad_writes=tuple(map(self._write, one.writes)),
            graph=Graph(
                nodes=tuple(map(self._node, itertools.count(), one.nodes)),
                edges=tuple(itertools.starmap(Edge, one.edges)),
                dot=dot,
            ),
            node_runs=tuple(map(self._run, itertools.count(), one.runs)),
            error=one.error,
        )

    def _node(self, index: int, one: TapeNode) -> Node:
        saved = tuple(map(self._saved, one.saved))
        return Node(index, one.name, one.formula, one.kernel, saved, one.variable)

    def _saved(self, one: TapeSaved) -> SavedTensor:
        now = one.value.slot if isinstance(one.value, TensorSlot | ValueSlot) else None
        changed = one.made is not None and now is not None
        return SavedTensor(
            name=one.name,
            value=self._content(one.value),
            tensor=one.tensor,
            changed=changed and differ(self._slots[one.made or 0], self._slots[now or 0]),
            note=one.note,
        )

    def _run(self, order: int, one: TapeRun) -> NodeRun:
        arrived, computed = self._values(one.grad_outputs), self._values(one.grad_inputs)
        return NodeRun(order, one.node, arrived, computed, one.kernels)

    def _write(self, one: TapeWrite) -> GradWrite:
        before, incoming, after = self._values((one.before, one.incoming, one.after))
        return GradWrite(one.parameter, before, incoming, after, one.mode)

    def _update(self, one: TapeUpdate) -> ParameterUpdate:
        before, after, grad = self._values((one.before, one.after, one.grad))
        source = self._source(one.source)
        return ParameterUpdate(
            one.parameter, before, after, grad, kernels=one.kernels, source=source
        )

    def _grad_change(self, one: TapeGradChange) -> GradChange:
        before, after = self._values((one.before, one.after))
        source = self._source(one.source)
        return GradChange(one.parameter, before, after, kernels=one.kernels, source=source)

    def _zero_grad(self, one: TapeZeroGrad) -> ZeroGrad:
        before, after = self._values((one.before, one.after))
        return ZeroGrad(one.parameter, before, after, self._source(one.source))

    def _source(self, position: int | None) -> Source | None:
        return None if position is None else self._lines[position]

    # -- arguments ------------------------------------------------------------------------

    def _use(self, arg: Arg) -> TensorUse | Constant | tuple[TensorUse | Constant, ...]:
        """An argument; what has no identity of its own gets tensor id -1."""
        if isinstance(arg, ArgList):
            return tuple(itertools.chain.from_iterable(map(self._several, arg.items)))
        if isinstance(arg, TensorSlot):
            spec = self._tensors[arg.tensor]
            return TensorUse(arg.tensor, spec, self._value(arg))
        if isinstance(arg, ValueSlot):
            dtype, shape, device = self._template.specs[arg.spec]
            return TensorUse(
                -1, TensorSpec("", shape, dtype, device, "intermediate"), self._value(arg)
            )
        if isinstance(arg, NumberSlot):
            return self._number(arg)
        return Constant("scalar", None) if arg is None else arg.constant

    def _several(self, arg: Arg) -> tuple[TensorUse | Constant, ...]:
        use = self._use(arg)
        return use if isinstance(use, tuple) else (use,)

    def _output(self, arg: Arg) -> TensorUse:
        use = self._use(arg)
        return use if isinstance(use, TensorUse) else damaged("a kernel returns no tensor")

    def _number(self, arg: NumberSlot) -> Constant:
        number = self._slots[arg.slot]
        if isinstance(number, bytes) or not isinstance(number, bool | int | float | complex | None):
            damaged("a tensor stands where a number is expected")
        return Constant("scalar", number)

    def _value(self, arg: Arg) -> Value | None:
        """The value of a tensor, with or without identity."""
        if isinstance(arg, TensorSlot):
            spec = self._tensors[arg.tensor]
            return as_value(self._slots[arg.slot], spec.dtype, spec.shape)
        if isinstance(arg, ValueSlot):
            dtype, shape, _ = self._template.specs[arg.spec]
            return as_value(self._slots[arg.slot], dtype, shape)
        if arg is None or (isinstance(arg, Const) and arg.value is None):
            return None
        return damaged("something else stands where a tensor's value is expected")

    def _values(self, args: Sequence[Arg]) -> tuple[Value | None, ...]:
        return tuple(map(self._value, args))

    def _content(self, arg: Arg) -> Value | Constant | tuple[Value | Constant | None, ...] | None:
        """What a saved attribute holds, without the identity of its tensors."""
        if isinstance(arg, ArgList):
            return tuple(self._single(item) for item in arg.items)
        return self._single(arg)

    def _single(self, arg: Arg) -> Value | Constant | None:
        if isinstance(arg, TensorSlot | ValueSlot):
            return self._value(arg)
        if isinstance(arg, NumberSlot):
            return self._number(arg)
        return arg.constant if isinstance(arg, Const) else None
