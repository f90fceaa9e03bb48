"""What a template says, worked out once: executing it again then costs little but its kernels.

A ``Plan`` holds the kernels of a whole step as calls on *registers*: one for each tensor of the
tape by its id, then one for each constant, number and list that a call takes. ``execute.py``
runs it.

NOTE 1 [Kernels inside of kernels]: some kernels on a tape were not called by the program but by
autograd or by a fallback beneath it. An in-place operator clones what it saves before it changes
it; what has no code for lazily conjugated or negated tensors resolves them first. Such a clone
stands in front of its operator and seems to have made its node. It is not called: the operator
makes it again. Where it was a fallback's, the operator is called with what was cloned.

NOTE 2 [When a tensor becomes a leaf]: ``requires_grad_()`` is no kernel. A leaf that the step
makes itself, or changes before it uses it, becomes one right before the first kernel that makes
a node from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from operator import attrgetter, itemgetter
from pathlib import PurePath
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.live.mode import ADOPTS, UNSET
from autograd_lens.replay.functions import (
    CustomFunction,
    custom_functions,
    is_checkpoint,
    is_custom,
)
from autograd_lens.replay.hooks import (
    RETAINS,
    HookedNode,
    foreign_gradients,
    hooked_nodes,
    needed_hooks,
)
from autograd_lens.replay.limits import allowance, is_tame
from autograd_lens.replay.operators import (
    check_names,
    draws,
    find_operator,
    has_node,
    is_composite,
    is_view,
    to_constant,
    writes_to,
)
from autograd_lens.replay.values import to_dtype, wider
from autograd_lens.trace.records import Constant, TensorSpec
from autograd_lens.trace.tape import (
    Arg,
    ArgList,
    Const,
    NumberSlot,
    TapeBackward,
    TapeKernel,
    TapeRun,
    Template,
    TensorSlot,
    ValueSlot,
    numbers_in,
    tensors_in,
)

__all__ = [
    "Adopt",
    "Apply",
    "Call",
    "Calls",
    "Engine",
    "Plan",
    "Registers",
    "Stage",
    "flat",
    "keep",
]

Registers = list[Any]
Getter = Callable[[Registers], tuple[object, ...]]
Lister = Callable[[Registers], list[object]]

_OVERWRITES = frozenset({"bernoulli_", "copy_", "fill_", "normal_", "random_", "uniform_", "zero_"})
_CLONE = "aten.clone.default"
_UNSET = (*UNSET, "aten.resize_.")  # the second may take more memory than there was
_ECHOES = frozenset({"aten.alias.default", "aten.detach.default"})
_LOOKS_FOR_NAN = ("aten.isnan.default", "aten._is_any_true.default")
# Which result is memory for the backward, that is not filled as a whole.
_SCRATCH = {
    "aten._ctc_loss.Tensor": 1,
    "aten._ctc_loss.default": 1,
    "aten.mkldnn_rnn_layer.default": 3,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel, ready to be called.

    Attributes:
        index: Its position on the tape.
        kernel: As it was recorded.
        operator: What it calls, None where ``obstacle`` says why not.
        run: The same, without what torch puts around it.
        get: Gives its arguments out of the registers.
        keywords: Its arguments by name that are constants.
        named: Its other arguments by name: name and what gives it.
        out: Register of its only result, -1 where there is not exactly one.
        reads: Ids of the tensors it reads.
        makes: Ids of its results.
        changes: Ids of the tensors it changes in place.
        grad: Whether it runs under autograd.
        plain: Whether it can be called without a further look.
        draws: Whether it draws random numbers.
        engine: Whether the engine runs it, or a node in it.
        inner: Whether the next kernel runs it (NOTE 1): it is what was cloned.
        echo: Whether it is a view that nothing reads: autograd's own, of what it saves.
        obstacle: Why it cannot be executed, else ``""``.
        private: Whether it draws from a generator of the program's own: which numbers these are
            is known only where the tape is that of the step itself.
    """

    index: int
    kernel: TapeKernel
    operator: torch._ops.OpOverload | None
    run: Callable[..., object]
    get: Getter
    keywords: Mapping[str, object]
    named: tuple[tuple[str, Getter], ...]
    out: int
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    changes: frozenset[int]
    grad: bool
    plain: bool
    draws: bool
    engine: bool
    inner: bool = False
    echo: bool = False
    obstacle: str = ""
    private: bool = False

    @property
    def op(self) -> str:
        """Its recorded name."""
        return self.kernel.op


# -- stages -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calls:
    """Kernels that are called one after the other.

    Attributes:
        grad: Whether gradients are switched on.
        update: Whether they are an update.
        calls: The kernels.
    """

    grad: bool
    update: bool
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """A run of the autograd engine, by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """Tensors that become leaves, by id (NOTE 2)."""

    leaves: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """A custom ``autograd.Function`` whose forward has just run."""

    function: CustomFunction


Stage = Calls | Engine | Adopt | Apply


# -- the plan -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """All that is worked out of a template.

    It has no slots, so that what follows from it is computed once.

    Attributes:
        template: The template.
        specs: What each tensor is, by id.
        calls: The kernels in order.
        blank: Registers before anything is known: constants in their places.
        numbers: (register, slot) of the numbers that differ from step to step.
        loose: (register, spec, slot) of values that exist in one call alone.
        generators: Registers of random generators of the program's own.
        wide: Whether it computes in float64, whatever was recorded.
    """

    template: Template
    specs: tuple[TensorSpec, ...]
    calls: tuple[Call, ...] = field(repr=False)
    blank: Registers = field(repr=False)
    numbers: tuple[tuple[int, int], ...]
    loose: tuple[tuple[int, int, int], ...]
    generators: tuple[int, ...]
    wide: bool = False

    @classmethod
    def of(cls, template: Template, *, wide: bool = False) -> Plan:
        """The plan of a template.

        Args:
            template: The template.
            wide: Whether to compute in float64.
        """
        specs = tuple(template.spec(number) for number in range(len(template.tensors)))
        compiler = _Compiler(template, wide=wide)
        calls = _with_inner(template, [compiler.call(*one) for one in enumerate(template.kernels)])
        plan = cls(
            template=template,
            specs=specs,
            calls=tuple(_with_echoes(template, calls)),
            blank=compiler.registers,
            numbers=tuple(compiler.numbers),
            loose=tuple(compiler.loose),
            generators=tuple(compiler.generators),
            wide=wide,
        )
        filled = plan.filled
        calls = [replace(one, plain=one.plain and one.index not in filled) for one in plan.calls]
        return replace(plan, calls=tuple(calls))

    @property
    def backwards(self) -> tuple[TapeBackward, ...]:
        """The runs of the engine."""
        return self.template.backwards

    @cached_property
    def rehearsed(self) -> dict[Hashable, tuple[slice, Mapping[str, bool]] | None]:
        """Where optimizers were found to make its updates, and how; see ``Update.found``."""
        return {}

    @cached_property
    def allowance(self) -> int:
        """Bytes that executing it may take; 0 where it cannot take many."""
        tame = all(is_tame(kernel, self.specs) for kernel in self.template.kernels)
        return 0 if tame else allowance(self.specs)

    # -- order --------------------------------------------------------------------------

    @cached_property
    def starts(self) -> Mapping[int, Sequence[int]]:
        """Position -> the runs of the engine that begin there, in order."""
        starts: dict[int, list[int]] = {}
        for number, backward in enumerate(self.backwards):
            starts.setdefault(backward.position, []).append(number)
        return starts

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All that is done in a step, in order."""
        found: list[Stage] = []
        for index in range(len(self.calls) + 1):
            found += self._before(index)
            if index == len(self.calls) or self.calls[index].engine:
                continue
            call = self.calls[index]
            kind = call.grad, call.kernel.phase == "update"
            last = found[-1] if found else None
            if isinstance(last, Calls) and (last.grad, last.update) == kind:
                found[-1] = replace(last, calls=(*last.calls, call))
            else:
                found.append(Calls(*kind, (call,)))
        return tuple(found)

    def _before(self, index: int) -> Iterator[Stage]:
        """What happens between two kernels."""
        if self._adopted.get(index):
            yield Adopt(self._adopted[index])
        yield from (Apply(one) for one in self.functions if one.before == index)
        yield from map(Engine, self.starts.get(index, ()))

    @cached_property
    def functions(self) -> Sequence[CustomFunction]:
        """The custom Functions of the graphs, in order."""
        return custom_functions(self.template)

    # -- leaves -------------------------------------------------------------------------

    @cached_property
    def leaves(self) -> Mapping[int, str]:
        """The leaves that the engine reaches: id -> name of its parameter, else ``""``."""
        found: dict[int, str] = {}
        for backward in self.backwards:
            if not backward.nodes:  # a lean step names none
                found |= {number: name for name, number in self.parameters.items()}
                found |= {n: self.specs[n].name for n in self._asked(backward)}
                found |= {n: self.specs[n].name for n in self._made_anew()}
            for node in backward.nodes:
                number = node.leaf
                if number is None and node.variable:
                    number = self.parameters.get(node.variable)
                if number is not None and node.name == "AccumulateGrad":
                    found[number] = node.variable or ""
            for run in backward.runs:
                if is_checkpoint(backward.nodes[run.node].name):  # an engine run of its own
                    read = {n for index in run.kernels for n in self.calls[index].reads}
                    named = self.parameters.items()
                    found |= {number: name for name, number in named if number in read}
        return found

    def _asked(self, backward: TapeBackward) -> Iterator[int]:
        """The tensors that backward was restricted to and that no node can have made."""
        asked = (use.tensor for use in tensors_in(*backward.inputs))
        others = {*self._grown, *self.parameters.values()}
        return (number for number in asked if number not in others)

    def _made_anew(self) -> Iterator[int]:
        """Parameters that the step makes itself, as an image that is optimized is in each turn."""
        others = {*self._grown, *self.outside}
        for number, spec in enumerate(self.specs):
            if spec.role == "parameter" and spec.name and number not in others:
                yield number

    @cached_property
    def _grown(self) -> frozenset[int]:
        """The tensors that nodes may have made."""
        calls = (call for call in self.calls if call.grad and call.kernel.makes_node)
        return frozenset(number for call in calls for number in call.makes)

    @cached_property
    def _adopted(self) -> Mapping[int, tuple[int, ...]]:
        """Position -> the tensors that become leaves there (NOTE 2)."""
        waiting = set(self.leaves)
        found: dict[int, tuple[int, ...]] = {}
        for call in self.calls:
            if call.engine or not call.grad:
                continue
            # Of the first kernel behind a backward it is not always known.
            may_make = call.kernel.node is not None or call.kernel.makes_node is not False
            ready = waiting.intersection(call.reads) - call.changes if may_make else None
            if ready:
                found[call.index] = tuple(sorted(ready))
                waiting -= ready
        for function in self.functions:
            ready = waiting.intersection(n for n in function.inputs if n is not None)
            if ready:
                found[function.before] = (*found.get(function.before, ()), *sorted(ready))
                waiting -= ready
        if waiting and self.starts:
            first = min(self.starts)
            found[first] = (*found.get(first, ()), *sorted(waiting))
        return found

    @cached_property
    def parameters(self) -> Mapping[str, int]:
        """The parameters that are there when the step begins: name -> id."""
        found: dict[str, int] = {}
        for number in self.outside:
            if self.specs[number].role == "parameter" and self.specs[number].name:
                found.setdefault(self.specs[number].name, number)
        return found

    @cached_property
    def ends(self) -> Mapping[str, int]:
        """Under which id each parameter is behind the step: an update may replace it."""
        found = dict(self.parameters)
        for update in self.template.updates:
            for use in tensors_in(update.after):
                now = found.get(update.parameter)
                if now is None or self.memory[now] != self.memory[use.tensor]:
                    found[update.parameter] = use.tensor
        return found

    @cached_property
    def updated_behind(self) -> frozenset[str]:
        """The parameters that kernels behind the last run of the engine update."""
        last = max((backward.position for backward in self.backwards), default=0)
        updates = self.template.updates
        return frozenset(one.parameter for one in updates if max(one.kernels, default=0) >= last)

    # -- what a step finds ----------------------------------------------------------------

    @cached_property
    def outside(self) -> Mapping[int, int]:
        """Tensors that are there before any kernel makes them: id -> slot of the first value."""
        found: dict[int, int] = {}
        made: set[int] = set()

        def read(places: Iterable[TensorSlot]) -> None:
            for place in places:
                if place.tensor not in made and not self._is_echo(place.tensor):
                    found.setdefault(place.tensor, place.slot)

        for call in self.calls:
            self._begin(call.index, read, made)
            if call.engine and call.index not in self._rebuilt:
                read(p for p in call.kernel.reads if self.specs[p.tensor].role == "gradient")
                made.update(call.reads)  # the engine makes tensors of its own
            else:
                read(call.kernel.reads)
            made.update(call.makes)
        self._begin(len(self.calls), read, made)
        return found

    def _begin(
        self, position: int, read: Callable[[Iterable[TensorSlot]], None], made: set[int]
    ) -> None:
        """The runs of the engine that begin at a position read, and return, some tensors."""
        for number in self.starts.get(position, ()):
            one = self.backwards[number]
            read(tensors_in(*one.roots, *one.gradients, *one.inputs))
            read(use for _, use in self._foreign[number])
            made.update(use.tensor for use in tensors_in(*one.results))

    @cached_property
    def readings(self) -> Sequence[tuple[Call, Sequence[TensorSlot], frozenset[int]]]:
        """The kernels that read or change something: what they read, and what of it is outside.

        What the engine reads is left out, and each ``.grad`` is none of what is there.
        """
        outside = {n for n in self.outside if self.specs[n].role != "gradient"}
        found = ((call, [] if call.engine else call.kernel.reads) for call in self.calls)
        return [
            (call, reads, frozenset(one.tensor for one in reads if one.tensor in outside))
            for call, reads in found
            if reads or call.changes
        ]

    @cached_property
    def sparse(self) -> Mapping[int, str]:
        """The layout of those of them that are not strided: their elements alone are known."""
        tensors = self.template.tensors
        return {n: tensors[n].layout for n in self.outside if tensors[n].layout}

    @cached_property
    def gradients(self) -> tuple[int, ...]:
        """Those of them that are the ``.grad`` of a parameter."""
        return tuple(n for n in self.outside if self.specs[n].role == "gradient")

    @cached_property
    def named_gradients(self) -> tuple[tuple[int, str], ...]:
        """Everything that is the ``.grad`` of a parameter: id and name of the parameter."""
        return tuple(
            (number, spec.name.removesuffix(".grad"))
            for number, spec in enumerate(self.specs)
            if spec.role == "gradient"
        )

    @staticmethod
    def unnamed_gradients(backward: TapeBackward) -> Iterator[tuple[int, int]]:
        """The ``.grad`` of leaves that are no parameters: id, and id of the leaf."""
        written = {write.parameter for write in backward.writes}
        for run in backward.runs:
            node = backward.nodes[run.node]
            if node.leaf is not None and node.variable not in written:
                for use in tensors_in(*run.grad_outputs):
                    yield use.tensor, node.leaf

    @cached_property
    def _rebuilt(self) -> frozenset[int]:
        """Kernels that run in the backward of a custom Function, or in a hook."""
        ran = (
            index
            for backward in self.backwards
            for run in backward.runs
            if is_custom(backward.nodes[run.node].name)
            for index in self.own_code(run)
            if not self.calls[index].kernel.hooked
        )
        hooks: frozenset[int] = self._needed_hooks
        return hooks.union(ran)

    def own_code(self, run: TapeRun) -> Sequence[int]:
        """The kernels of a custom node's run, with those of engines that it ran itself.

        Nodes of these are in no graph of the step: their kernels have none.
        """
        found = list(run.kernels[:1])
        for call in self.calls[found[0] + 1 :] if found else ():
            other = call.index not in run.kernels and call.kernel.node is not None
            if other or not call.engine:
                break
            found.append(call.index)
        return found

    @cached_property
    def _needed_hooks(self) -> frozenset[int]:
        return needed_hooks(self.calls, self.backwards)

    @cached_property
    def hooked(self) -> tuple[tuple[HookedNode, ...], ...]:
        """For each run of the engine where hooks of the program take part in it."""
        return tuple(
            hooked_nodes(
                self.calls,
                one,
                self._needed_hooks,
                frozenset(use.tensor for _, use in foreign),
                self.retaining,
            )
            for one, foreign in zip(self.backwards, self._foreign, strict=True)
        )

    @cached_property
    def retaining(self) -> frozenset[int]:
        """Indexes of the kernels that keep gradients which ``retain_grad()`` asked for."""
        tensors, kernels = self.template.tensors, self.template.kernels
        found: set[int] = set()
        for backward, run in ((one, run) for one in self.backwards for run in one.runs):
            maker = backward.nodes[run.node].kernel
            made = kernels[maker].makes if maker is not None else ()
            for use, gradient in zip(made, run.grad_outputs, strict=False):
                if tensors[use.tensor].retains and isinstance(gradient, TensorSlot):
                    own = (self.calls[index] for index in run.kernels)
                    keeps = (c for c in own if gradient.tensor in c.reads and c.op in RETAINS)
                    found.update(call.index for call in itertools.islice(keeps, 1))
        return frozenset(found)

    @cached_property
    def _foreign(self) -> Sequence[Sequence[tuple[TapeRun, TensorSlot]]]:
        """For each run of the engine the gradients in it that it did not make."""
        return [
            list(foreign_gradients(self.calls, one, number))
            for number, one in enumerate(self.backwards)
        ]

    @cached_property
    def checkpointed(self) -> bool:
        """Whether a block of it runs twice, with the same random numbers."""
        return any(is_checkpoint(one.name) for one in self.functions)

    def _is_echo(self, number: int) -> bool:
        """Whether a tensor is another object for one that is known."""
        one = self.template.tensors[number]
        return one.alias is not None and one.role != "parameter"

    @cached_property
    def state(self) -> tuple[int, ...]:
        """Ids of what a step changes and the next one finds: running statistics, momenta."""
        plain = {"parameter", "gradient"}
        changed = frozenset[int]().union(*(call.changes for call in self.calls))
        return tuple(n for n in self.outside if n in changed and self.specs[n].role not in plain)

    @cached_property
    def state_keys(self) -> Mapping[int, tuple[str, str, tuple[int, ...]]]:
        """The same with what a step makes of it first: id -> a name that all plans share."""
        keys: dict[int, tuple[str, str, tuple[int, ...]]] = {}
        unnamed = 0
        made = [n for n, spec in enumerate(self.specs) if spec.role == "state" and spec.name]
        for number in dict.fromkeys((*self.state, *made)):
            spec = self.specs[number]
            unnamed += not spec.name
            keys[number] = (spec.name or f"#{unnamed}", spec.dtype, spec.shape)
        return keys

    @cached_property
    def watched_for_nan(self) -> frozenset[int]:
        """The runs of the engine under ``detect_anomaly``: it looks at what each node gives."""
        pairs = itertools.pairwise(self.calls)
        looks = (b for a, b in pairs if (a.op, b.op) == _LOOKS_FOR_NAN and b.engine)
        return frozenset(call.kernel.backward for call in looks)

    @cached_property
    def draws(self) -> tuple[Call, ...]:
        """The kernels that draw random numbers."""
        return tuple(one for one in self.calls if one.draws and not one.engine)

    # -- numbers --------------------------------------------------------------------------

    def numbers_of(self, phase: str) -> tuple[int, ...]:
        """Slots of the numbers that the kernels of a phase compute with."""
        kernels = (one for one in self.template.kernels if one.phase == phase)
        return tuple(
            number.slot
            for one in kernels
            for number in numbers_in(*(argument.value for argument in one.args))
        )

    @cached_property
    def update_numbers(self) -> tuple[int, ...]:
        """Slots of the numbers that the update computes with."""
        return self.numbers_of("update")

    def put_in_place(self, number: int, end: int) -> Iterator[tuple[int, str]]:
        """What the program itself made the ``.grad`` of a parameter, between a run and a position.

        ``p.grad = torch.zeros_like(p.grad)`` is one kernel, and an assignment that no tape shows;
        ``p.grad = torch.autograd.grad(loss, p)[0]`` is the assignment alone.

        Args:
            number: The run of the engine, -1 for what stands before the first one.
            end: The position of a kernel.
        """
        named = dict(self.named_gradients)
        if number >= 0:
            returned = tensors_in(*self.backwards[number].results)
            yield from ((use.tensor, named[use.tensor]) for use in returned if use.tensor in named)
        for call in self.calls[self.backwards[number].position if number >= 0 else 0 : end]:
            if not call.engine:
                new = (one for one in call.makes if one not in call.reads)
                yield from ((one, named[one]) for one in new if one in named)

    @cached_property
    def hooks(self) -> tuple[str, ...]:
        """Where hooks of the program took part in a backward: lines, or what they changed.

        A hook that runs a kernel stands on the tape with its line. One that does not, as it
        returns something that was there, is told by a gradient that no node and no sum sent.
        """
        lines = {
            f"{PurePath(source[0]).name}, line {source[1]}"
            for call in self.calls
            if call.kernel.hooked and call.kernel.source is not None
            for source in (self.template.sources[call.kernel.source],)
        }
        replaced = (
            f"the gradient of {backward.nodes[run.node].name}"
            for backward, foreign in zip(self.backwards, self._foreign, strict=True)
            for run, _ in foreign
        )
        return tuple(sorted(lines)) or tuple(dict.fromkeys(replaced))

    # -- for messages -----------------------------------------------------------------------

    @cached_property
    def slot_names(self) -> Mapping[int, str]:
        """What the value in a slot is, in a few words."""
        names: dict[int, str] = {}
        for call in self.calls:
            for place in (*call.kernel.reads, *call.kernel.makes):
                name = self.specs[place.tensor].name
                what = f"{name} in " if name else ""
                names[place.slot] = f"{what}kernel {call.index}, {call.op}"
        for slot, name in self._slots_of_graphs():
            names.setdefault(slot, name)
        return names

    def _slots_of_graphs(self) -> Iterator[tuple[int, str]]:
        """What nodes have saved, and the gradients that passed: slot and name."""
        for backward in self.backwards:
            for node in backward.nodes:
                for one in node.saved:
                    name = f"_saved_{one.name} of {node.name}"
                    yield from ((use.slot, name) for use in tensors_in(one.value))
            for run in backward.runs:
                name = backward.nodes[run.node].name
                yield from (
                    (p.slot, f"grad_outputs of {name}") for p in tensors_in(*run.grad_outputs)
                )
                yield from (
                    (p.slot, f"grad_inputs of {name}") for p in tensors_in(*run.grad_inputs)
                )
            for write in backward.writes:
                slots = (p.slot for p in tensors_in(write.before, write.incoming, write.after))
                yield from ((slot, f"{write.parameter}.grad") for slot in slots)

    def describe(self, tensor: int) -> str:
        """A tensor in a few words."""
        spec = self.specs[tensor]
        return f"{spec.name or 'a tensor'} ({spec.dtype}, shape {spec.shape})"

    # -- memory -----------------------------------------------------------------------------

    @cached_property
    def memory(self) -> Sequence[int]:
        """A number for each tensor, the same for tensors that may share memory."""
        root = list(range(len(self.specs)))
        for number, one in enumerate(self.template.tensors):
            if one.alias is not None and one.alias < number:
                root[number] = root[one.alias]
        for call in self.calls:
            if call.operator is not None and is_view(call.operator) and call.reads:
                for tensor in call.makes:
                    if tensor not in call.reads:
                        root[tensor] = root[call.reads[0]]
            elif call.op == ADOPTS:
                before, now = (root[tensor] for tensor in call.reads)
                root = [now if one == before else one for one in root]
        return root

    @cached_property
    def filled(self) -> Mapping[int, Sequence[TensorSlot]]:
        """By kernel, what it reads of new memory that no kernel wrote: NumPy did."""
        found: dict[int, Sequence[TensorSlot]] = {}
        new: set[int] = set()
        for call in self.calls:
            if call.engine:
                continue
            fresh = [p for p in call.kernel.reads if p.tensor in new]
            reads = [p for p in fresh if p.tensor not in call.changes]
            if reads:
                found[call.index] = reads
            touched = {self.memory[tensor] for tensor in call.changes}
            new = {tensor for tensor in new if self.memory[tensor] not in touched}
            if call.op.startswith(UNSET):
                new.update(call.makes)
        return found

    def noise(self, call: Call) -> Iterator[TensorSlot]:
        """Where arguments that a kernel fills with random numbers are read next."""
        for tensor in call.changes - {*call.makes}:
            later = (p for other in self.calls[call.index + 1 :] for p in other.kernel.reads)
            yield from itertools.islice((p for p in later if p.tensor == tensor), 1)

    @cached_property
    def uninitialised(self) -> frozenset[int]:
        """Slots whose value nobody set, or set in part alone."""
        found: set[int] = set()
        unset: set[int] = set()
        for call in self.calls:
            reads, makes = call.kernel.reads, call.kernel.makes
            found.update(place.slot for place in reads if place.tensor in unset)
            if not _OVERWRITES.isdisjoint(call.op.split(".")):  # whatever it was before
                found.update(place.slot for place in reads[:1])
            copied = call.op == "aten.copy_.default" and unset.intersection(call.reads[1:])
            unset = unset | call.changes if copied else unset - call.changes
            found.update(place.slot for place in makes if copied)
            seen = call.operator is not None and is_view(call.operator)
            if call.op.startswith(_UNSET) or (seen and unset.intersection(call.reads)):
                unset.update(call.makes)
                found.update(place.slot for place in makes)
        return frozenset(found | self._scratch())

    def _scratch(self) -> set[int]:
        partly = {
            call.makes[_SCRATCH[call.op]]
            for call in self.calls
            if len(call.makes) > _SCRATCH.get(call.op, len(call.makes))
        }
        places = [p for call in self.calls for p in (*call.kernel.reads, *call.kernel.makes)]
        for backward in self.backwards:
            saved = (one.value for node in backward.nodes for one in node.saved)
            places += tensors_in(*saved)
        return {place.slot for place in places if place.tensor in partly}

    # -- what depends on what -----------------------------------------------------------------

    @cached_property
    def serves(self) -> Mapping[int, frozenset[int]]:
        """By kernel that runs under autograd and reads a leaf: the runs of the engine it serves."""
        behind: dict[int, frozenset[int]] = {}  # by tensor: the runs that follow from it
        found: dict[int, frozenset[int]] = {}
        for call in reversed(self.calls):
            self._lead(call.index + 1, behind)
            touched = {*call.makes, *call.changes}
            memory = {self.memory[number] for number in call.changes}
            if memory:
                touched |= {number for number in behind if self.memory[number] in memory}
            runs = frozenset[int]().union(*(behind.get(one, ()) for one in touched))
            for number in call.reads if runs and not call.engine else ():
                behind[number] = behind.get(number, frozenset()) | runs
            if (
                runs
                and call.grad
                and not (call.engine or self.leaves.keys().isdisjoint(call.reads))
            ):
                found[call.index] = runs
        return found

    def _lead(self, position: int, behind: dict[int, frozenset[int]]) -> None:
        """Note what the runs of the engine that begin at a position begin with."""
        for number in self.starts.get(position, ()):
            for use in tensors_in(*self.backwards[number].roots):
                behind[use.tensor] = behind.get(use.tensor, frozenset()) | {number}

    def needed(self, wanted: Iterable[int], calls: Sequence[Call]) -> list[Call]:
        """Those of some calls that tensors depend on, through values or shared memory."""
        groups = {self.memory[tensor] for tensor in wanted}
        found = []
        for call in reversed(calls):
            touched = {self.memory[tensor] for tensor in (*call.makes, *call.changes)}
            if not touched.isdisjoint(groups):
                found.append(call)
                groups.update(self.memory[tensor] for tensor in call.reads)
        return found[::-1]


# -- compiling ------------------------------------------------------------------------------


class _Compiler:
    """Turns kernels into calls on registers.

    Attributes:
        registers: Tensors by id, then constants.
        numbers: Registers of numbers that differ from step to step, with their slots.
        loose: Registers of values that exist in one call alone, with spec and slot.
        generators: Registers of random generators of the program's own.
    """

    def __init__(self, template: Template, *, wide: bool) -> None:
        self._wide = wide
        self._template = template
        self.registers: Registers = [None] * len(template.tensors)
        self.numbers: list[tuple[int, int]] = []
        self.loose: list[tuple[int, int, int]] = []
        self.generators: list[int] = []
        # What stands before it on the line of a backward, backward has called in Python.
        self._begins = [one.position for one in template.backwards]

    def call(self, index: int, kernel: TapeKernel) -> Call:
        operator, obstacle = None, ""
        positional: list[Lister | int] = []
        named: list[tuple[str, Getter]] = []
        keywords: dict[str, object] = {}
        try:
            operator = find_operator(kernel.op)
            check_names(operator, [one.name for one in kernel.args])
            for one in kernel.args:
                place = self._place(one.value, kernel.op)
                if not one.keyword:
                    positional.append(place)
                elif _is_constant(one.value) and not _is_generator(one.value):
                    keywords[one.name] = self._constant(one.value, kernel.op)
                else:
                    named.append((one.name, _getter([place])))
            keywords |= self._default_dtype(operator, kernel, keywords)
        except ReplayError as error:
            obstacle = str(error)
        written = writes_to(operator) if operator is not None else frozenset()
        changed = tensors_in(*(one.value for one in kernel.args if one.name in written))
        given = {one.name: one.value.value for one in kernel.args if isinstance(one.value, Const)}
        private = any(_is_generator(one.value) for one in kernel.args)
        random = operator is not None and draws(operator, given)
        makes = tuple(use.tensor for use in kernel.makes)
        return Call(
            index=index,
            kernel=kernel,
            operator=operator,
            run=_run_of(operator, kernel),
            get=_getter(positional),
            keywords=keywords,
            named=tuple(named),
            out=makes[0] if len(makes) == 1 else -1,
            reads=tuple(use.tensor for use in kernel.reads),
            makes=makes,
            changes=frozenset(use.tensor for use in changed),
            grad=kernel.grad_mode,
            plain=_gives_one(operator) and not (named or obstacle or random) and len(makes) == 1,
            draws=random,
            engine=kernel.phase == "backward" and index >= self._begins[kernel.backward],
            obstacle=obstacle,
            private=private,
        )

    def _default_dtype(
        self, operator: torch._ops.OpOverload, kernel: TapeKernel, given: Mapping[str, object]
    ) -> dict[str, object]:
        """The dtype of new memory that the program left to ``torch.set_default_dtype``."""
        takes = any(one.name == "dtype" for one in operator._schema.arguments)
        if kernel.reads or len(kernel.makes) != 1 or not takes or given.get("dtype") is not None:
            return {}
        name = self._template.spec(kernel.makes[0].tensor).dtype
        dtype = to_dtype(wider(name) if self._wide else name)
        return {"dtype": dtype} if dtype.is_floating_point else {}

    def _place(self, arg: Arg, op: str) -> Lister | int:
        """The register of an argument, or what puts a list of tensors together."""
        if isinstance(arg, TensorSlot):
            return arg.tensor
        if isinstance(arg, NumberSlot):
            self.numbers.append((self._register(None), arg.slot))
        elif isinstance(arg, Const) and arg.kind == "generator":
            self.generators.append(self._register(None))
        elif isinstance(arg, ValueSlot):
            self.loose.append((self._register(None), arg.spec, arg.slot))
        elif isinstance(arg, ArgList) and not _is_constant(arg):
            return _lister(_getter([self._place(item, op) for item in arg.items]))
        else:
            return self._register(self._constant(arg, op))
        return len(self.registers) - 1

    def _register(self, value: object) -> int:
        self.registers.append(value)
        return len(self.registers) - 1

    def _constant(self, arg: Arg, op: str) -> object:
        if isinstance(arg, ArgList):
            return [self._constant(item, op) for item in arg.items]
        if not isinstance(arg, Const):
            return None
        constant = arg.constant
        if self._wide and constant.kind == "dtype":
            constant = Constant("dtype", wider(str(constant.value)))
        return to_constant(constant, operator=op)


def _gives_one(operator: torch._ops.OpOverload | None) -> bool:
    """Whether it returns a tensor, rather than a list of one, or nothing."""
    returns = operator._schema.returns if operator is not None else ()
    return len(returns) == 1 and isinstance(returns[0].type, torch.TensorType)


def _run_of(operator: torch._ops.OpOverload | None, kernel: TapeKernel) -> Callable[..., object]:
    """What calls an operator. ``tensor.data`` is recorded as ``detach``, which counts changes."""
    if operator is None:
        return _refuse
    if operator is torch.ops.aten.detach.default:
        return _DATA
    if not is_composite(operator):
        return operator._op
    off = kernel.makes_node is False or not (kernel.makes_node or kernel.grad_mode)
    if has_node(operator) and not (off and kernel.node is None):
        return operator._op
    return partial(_below_autograd, operator._op)


def _below_autograd(run: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Call what PyTorch takes apart: on a tape it stands whole where autograd was out of the way.

    So it is in inference mode and within forward differentiation.
    """
    with torch._C._AutoDispatchBelowAutograd():
        return run(*args, **keywords)


_DATA = attrgetter("data")


def _refuse(*_args: Any, **_keywords: Any) -> Any:
    msg = "This kernel cannot be executed."
    raise ReplayError(msg)


def _is_generator(arg: Arg) -> bool:
    return isinstance(arg, Const) and arg.kind == "generator"


def _is_constant(arg: Arg) -> bool:
    if isinstance(arg, ArgList):
        return all(map(_is_constant, arg.items))
    return arg is None or isinstance(arg, Const)


def _lister(inner: Getter) -> Lister:
    return lambda registers: list(inner(registers))


def _getter(places: Sequence[Lister | int]) -> Getter:
    """What reads some places of the registers into a tuple."""
    numbers = [place for place in places if isinstance(place, int)]
    if not places:
        return lambda _registers: ()
    if len(numbers) < len(places):
        return lambda registers: tuple(
            registers[one] if isinstance(one, int) else one(registers) for one in places
        )
    if len(numbers) > 1:
        return itemgetter(*numbers)
    only = numbers[0]
    return lambda registers: (registers[only],)


# -- kernels inside of kernels (NOTE 1) -------------------------------------------------------


def _with_inner(template: Template, calls: Sequence[Call]) -> list[Call]:
    found = list(calls)
    for one in calls:
        behind = one.index + 1
        while behind < len(found) and found[behind].op == _CLONE and found[behind].grad:
            behind += 1
        if behind < len(found) and _seems_maker(template, one, found[behind]):
            for index in range(one.index, behind):
                found[index] = replace(found[index], inner=True, plain=False)
    return found


def _seems_maker(template: Template, clone: Call, behind: Call) -> bool:
    """Whether a clone has the node of the operator behind it."""
    one, other = clone.kernel, behind.kernel
    if clone.op != _CLONE or not clone.grad or clone.inner or other.node is not None:
        return False
    if clone.engine or behind.engine:
        return False
    if one.node is not None:
        name = template.backwards[one.backward].nodes[one.node].name
        return not name.startswith("Clone")
    saves = bool(one.makes_node) and other.makes_node is False and behind.grad
    return saves and not behind.changes.isdisjoint(clone.reads)


def _with_echoes(template: Template, calls: Sequence[Call]) -> list[Call]:
    """Mark views that nothing reads outside of backward, nor hooks within."""
    read = {number for number, one in enumerate(template.tensors) if one.name}
    roots = (use for one in template.backwards for use in tensors_in(*one.roots, *one.inputs))
    read.update(use.tensor for use in roots)
    found = list(calls)
    for call in reversed(calls):
        candidate = call.op in _ECHOES and not call.engine and bool(call.makes)
        if candidate and read.isdisjoint(call.makes):
            found[call.index] = replace(call, echo=True, plain=False)
        elif call.kernel.hooked or not call.engine:
            read.update(call.reads)
    return found


def flat(result: object) -> list[torch.Tensor | None]:
    """An operator's results in order: tensors, and None for undefined ones."""
    if result is None or isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, tuple | list):
        return [tensor for item in result for tensor in flat(item)]
    return []


def keep(call: Call, made: Sequence[torch.Tensor | None], registers: Registers) -> None:
    """Put what a kernel returned into the registers.

    Raises:
        ReplayError: It returned more or less than was recorded.
    """
    if len(made) != len(call.makes):  # an undefined result is None, and was not recorded
        made = [tensor for tensor in made if tensor is not None]
    if not made and call.changes:
        return  # it returns nothing, and what it changed is there already
    if len(made) != len(call.makes):
        msg = f"{call.op} returned {len(made)} tensors; {len(call.makes)} were recorded."
        raise ReplayError(msg, hint="Open the trace with the torch that recorded it.")
    for number, tensor in zip(call.makes, made, strict=True):
        if tensor is not None:
            registers[number] = tensor
