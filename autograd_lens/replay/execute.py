"""The executor: a plan run once, with everything that a step finds.

What is run is always the same list of stages; what differs is who looks on. Run plainly, it
costs its kernels. Observed, it is recorded again, by the recorder's own parts (``observe.py``).
A *watcher* is told before and behind each run of the engine, and compares.

NOTE 1 [The engine's own door]: backward is called through the engine object, not through
``Tensor.backward``: a program that is being recorded while it looks at a trace must not find
our backwards among its own.

NOTE 2 [Not holding gradients]: ``AccumulateGrad`` takes an incoming gradient for ``.grad`` where
nobody else holds it, and copies it otherwise. So what the engine makes is put into registers
only behind it, and only what it is known to have left: ``.grad`` and what was asked for.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.errors import LensError, ReplayError
from autograd_lens.replay.checkpoint import Block, recomputed
from autograd_lens.replay.functions import CustomFunction, applied, is_checkpoint
from autograd_lens.replay.generator import drawing_from, generator_state
from autograd_lens.replay.hooks import executed_hooks
from autograd_lens.replay.limits import allowance, memory_of_at_most
from autograd_lens.replay.observe import Observer
from autograd_lens.replay.operators import is_view
from autograd_lens.replay.optimizer import Settings, Update
from autograd_lens.replay.plan import Adopt, Apply, Call, Calls, Engine, Plan, Registers, flat, keep
from autograd_lens.replay.sizes import SIZED, fitted
from autograd_lens.replay.values import held_as, to_tensor
from autograd_lens.trace.tape import TapeBackward, TapeRun, TensorSlot, tensors_in
from autograd_lens.trace.values import Entry, Value

__all__ = ["Execution", "Leaves", "Situation", "first_line", "run_calls"]

Leaves = Mapping[str, torch.Tensor]
_SUMS = frozenset({"aten.add.Tensor", "aten.add_.Tensor"})
_DETACH = "aten.detach.default"
_SEVERAL = 2
_DIFFERENTIABLE = operator.methodcaller("get", "differentiable")
REFUSALS = (
    AttributeError,  # of the None that stands for a tensor which is not there
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    NotImplementedError,
    AssertionError,
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a step finds when it begins.

    Attributes:
        found: Tensors that are there, by id; the execution works on them. A tensor that the
            step was handed may stand on the tape as the result of kernels: these are dropped.
        grads: ``.grad`` of leaves by id, left out where there is none; by its own id where the
            step does not use the leaf.
        cleared: For each run of the engine the parameters whose ``.grad`` is None before it.
        numbers: The slots, for the numbers in them and for draws that are repeated.
        altered: By kernel what it found changed by no kernel since: id and value.
        random: State of the random generator, None where it is not known.
        dropped: Kernels that are not executed.
        redraw: Whether random kernels draw again; else they give what was recorded.
        own: Whether the slots are those of this step itself.
        frozen: Parameters that no run of the engine reaches: they do not require grad.
        reached: For each run of the engine the parameters that its graph ends in.
        settings: The optimizers that make the updates, with their numbers; where there are none
            the update's kernels are executed as they stand on the tape.
        given: For each run of the engine the ``.grad`` that it left, by parameter, where none is
            run: the updates alone are executed.
    """

    found: Mapping[int, torch.Tensor]
    grads: Mapping[int, torch.Tensor]
    cleared: Sequence[frozenset[str]]
    numbers: Sequence[Entry]
    altered: Mapping[int, Sequence[tuple[int, torch.Tensor]]] = field(default_factory=dict)
    random: bytes | None = None
    dropped: frozenset[int] = field(default=frozenset())
    redraw: bool = True
    own: bool = False
    frozen: frozenset[str] = field(default=frozenset())
    reached: Sequence[frozenset[str]] = ()
    settings: Sequence[Settings] = ()
    given: Sequence[Mapping[str, torch.Tensor | None]] = ()


class Watcher:
    """Follows an execution from engine run to engine run; this one does nothing."""

    def before(self, backward: int, leaves: Leaves) -> None:
        """A run of the engine is about to begin."""

    def after(self, backward: int, roots: Sequence[torch.Tensor], leaves: Leaves) -> None:
        """It has ended."""


class Execution:
    """Executes a plan in a situation, once.

    Args:
        plan: The plan.
        situation: What it finds.
        watcher: Follows it from engine run to engine run.
        observer: Records it again, where given.

    Attributes:
        registers: All tensors by id, then constants.
        drawn: State of the random generator before the first run of the engine.
    """

    def __init__(
        self,
        plan: Plan,
        situation: Situation,
        watcher: Watcher | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.plan = plan
        self.situation = situation
        self.registers: Registers = plan.blank.copy()
        self.drawn: bytes | None = None
        self._watcher = watcher
        self._observer = observer
        self._private = torch.Generator()
        self._unfound: dict[str, bool] = {}  # optimizers, and whether none of their kernels came
        self._began: bytes | None = None  # state of the generator when no_grad was entered
        self._number = -1  # of the run of the engine that goes on
        found = situation.found.items()
        other = any(tuple(one.shape) != plan.specs[n].shape for n, one in found)
        self._allowance = plan.allowance or (allowance(plan.specs) if other else 0)
        self._held_fast = self._switched_off()
        self._careful = (
            observer is not None or bool(situation.dropped) or not situation.redraw or other
        ) or bool(self._held_fast or situation.altered)

    def _switched_off(self) -> Mapping[int, Sequence[int]]:
        """By kernel the leaves that did not require grad when it ran, though they did elsewhere.

        What follows from it reaches them in no graph: as where a GAN's generator is trained
        through a discriminator that is frozen meanwhile.
        """
        reached = self.situation.reached
        if len({*reached}) < _SEVERAL:
            return {}
        leaves, known = self.plan.leaves, frozenset[str]().union(*reached)
        found: dict[int, Sequence[int]] = {}
        for index, runs in self.plan.serves.items():
            through = frozenset[str]().union(*(reached[run] for run in runs))
            reads = self.plan.calls[index].reads
            off = [n for n in reads if leaves.get(n) in known and leaves[n] not in through]
            if off:
                found[index] = off
        return self._with_views(found)

    def _with_views(self, found: dict[int, Sequence[int]]) -> Mapping[int, Sequence[int]]:
        """The same for what reads views of such leaves: these require grad when the leaf does."""
        views: dict[int, Sequence[int]] = {}
        for call in self.plan.calls if found else ():
            through = [leaf for number in call.reads for leaf in views.get(number, ())]
            off = [*found.get(call.index, ()), *through]
            if off and call.grad and not call.engine:
                found[call.index] = off
                if call.operator is not None and is_view(call.operator):
                    views |= dict.fromkeys(call.makes, off)
        return found

    # -- what it leaves -------------------------------------------------------------------

    @property
    def leaves(self) -> dict[str, torch.Tensor]:
        """The parameters by name, as they are now."""
        found: dict[str, torch.Tensor] = {}
        for number, name in self.plan.leaves.items():
            if name and self.registers[number] is not None:
                found[name] = self.registers[number]
        for name, number in self.plan.parameters.items():
            if self.registers[number] is not None:
                found[name] = self.registers[number]
        return found

    @property
    def ends(self) -> dict[str, torch.Tensor]:
        """The parameters by name behind the step: an update may have replaced one."""
        places = self.plan.ends.items()
        return {name: self.registers[n] for name, n in places if self.registers[n] is not None}

    # -- running --------------------------------------------------------------------------

    def run(self) -> None:
        """Execute all kernels and engine runs.

        Raises:
            ReplayError: Something cannot be executed, or departs from what was recorded.
        """
        self._bring_in()
        with drawing_from(self.situation.random), contextlib.ExitStack() as stack:
            if self._allowance:
                stack.enter_context(memory_of_at_most(self._allowance))
            if self._observer is not None:
                stack.enter_context(self._observer.observing())
            stages = self.plan.stages
            position = 0
            while position < len(stages):
                match stages[position]:
                    case Calls() as calls:
                        self._calls(calls)
                    case Engine(number):
                        self._backward(number)
                    case Adopt(leaves):
                        self._adopt(leaves)
                    case Apply(function) if not self.situation.given:
                        self._apply(function)
                position += 1
        for kind, unfound in self._unfound.items():
            if unfound:
                msg = f"{kind} runs other kernels than were recorded."
                raise ReplayError(msg)

    def _bring_in(self) -> None:
        """Put everything that is there when the step begins into its register."""
        plan, situation, registers = self.plan, self.situation, self.registers
        for register, slot in plan.numbers:
            registers[register] = situation.numbers[slot]
        for register, spec, slot in plan.loose:
            dtype, shape, device = plan.template.specs[spec]
            entry = situation.numbers[slot]
            if isinstance(entry, bytes):
                registers[register] = to_tensor(Value(dtype, shape, entry), device)
        for register in plan.generators:
            registers[register] = self._private
        for number, tensor in situation.found.items():
            registers[number] = held_as(tensor, plan.sparse.get(number, ""))
            if number in situation.grads:
                _give(tensor, situation.grads[number])
        for number in plan.gradients:
            owner = plan.parameters.get(plan.specs[number].name.removesuffix(".grad"))
            registers[number] = situation.grads.get(number if owner is None else owner)
        for number in plan.outside:
            if registers[number] is None and plan.specs[number].role != "gradient":
                self._refuse_missing(number)

    def _refuse_missing(self, number: int) -> None:
        readers = (c for c in self.plan.calls if number in c.reads)
        if all(c.index in self.situation.dropped for c in readers):
            return
        msg = f"The value of {self.plan.describe(number)} was not kept."
        raise ReplayError(msg)

    def _adopt(self, leaves: Sequence[int]) -> None:
        """Make tensors of the tape the leaves that they were."""
        for number in leaves:
            tensor = self.registers[number]
            if tensor is None or tensor.grad_fn is not None:
                continue
            frozen = self.plan.leaves[number] in self.situation.frozen
            if frozen and number in self.plan.outside:  # one that is made here has another name
                continue
            tensor.requires_grad_()
            if number in self.situation.grads and number not in self.situation.found:
                _give(tensor, self.situation.grads[number])

    def _calls(self, stage: Calls) -> None:
        torch._C._set_grad_enabled(stage.grad)
        if not stage.grad and self.plan.checkpointed:
            self._began = generator_state()
        try:
            if stage.update and self._by_optimizers(stage):
                self._update(stage)
            elif self._careful:
                self._one_by_one(stage.calls)
            else:
                run_calls(stage.calls, self.registers, self._one)
        finally:
            torch._C._set_grad_enabled(True)

    def _one_by_one(self, calls: Sequence[Call]) -> None:
        observer = self._observer
        for call in calls:
            if observer is not None and call.index < observer.position:
                if call.op == _DETACH:  # another kernel has run it, and returned its result
                    self.registers[call.out] = self.registers[call.reads[0]]
                continue
            with described(call):
                self._one(call, self.registers)
            if observer is not None:
                observer.called(call)

    def _update(self, stage: Calls) -> None:
        """Let optimizers make their part of an update; the rest is made by its kernels."""
        for block, settings in self._blocks(stage):
            if settings is None:
                self._one_by_one(block)
                continue
            self._put_in_place(self._number, block[0].index, settings.parameters)
            update = Update(self.plan, block, settings)
            found = update.found(self.leaves, self.registers)
            if found is None:  # it may be in another part of the step
                self._unfound.setdefault(settings.kind, True)
                self._one_by_one(block)
                continue
            self._unfound[settings.kind] = False
            own, implementation = found
            self._one_by_one(block[: own.start])  # clipping and the like
            first, last = block[own.start], block[own.stop - 1]
            if self._observer is not None:
                self._observer.position = first.index
            update.run(self.leaves, self.registers, implementation)
            if self._observer is not None:
                self._observer.called(first, last=last.index)
            self._one_by_one(block[own.stop :])

    def _by_optimizers(self, stage: Calls) -> bool:
        """Whether optimizers may have made an update: most switch gradients off."""
        settings = self.situation.settings
        options = (group.options for one in settings for group in one.groups)
        return bool(settings) and (not stage.grad or any(map(_DIFFERENTIABLE, options)))

    def _put_in_place(self, number: int, end: int, names: Container[str]) -> None:
        """Assign to ``.grad`` of some parameters what the program made for it."""
        leaves = self.leaves
        with _disable_current_modes():
            for tensor, name in self.plan.put_in_place(number, end):
                if name in names and name in leaves and self.registers[tensor] is not None:
                    _give(leaves[name], self.registers[tensor].detach())

    def _blocks(self, stage: Calls) -> Iterator[tuple[Sequence[Call], Settings | None]]:
        """The kernels of an update by the optimizer that made them."""
        ends: dict[int, Settings] = {}
        for settings in self.situation.settings:
            state, memory = self._state_of(settings), self._memory_of(settings)
            made = [
                call.index
                for call in stage.calls
                if not state.isdisjoint(call.reads)
                or any(self.plan.memory[number] in memory for number in call.changes)
            ]
            if made:
                ends[made[-1]] = settings
        start, others = 0, self._updates_of_others()
        for end in sorted(ends):
            stop = next(n for n, call in enumerate(stage.calls, 1) if call.index >= end)
            before = [n for n in range(start, stop) if stage.calls[n].index in others]
            if before:
                yield stage.calls[start : before[-1] + 1], None
                start = before[-1] + 1
            if stop > start:
                yield stage.calls[start:stop], ends[end]
            start = max(start, stop)
        if start < len(stage.calls):
            yield stage.calls[start:], None

    def _updates_of_others(self) -> frozenset[int]:
        """Kernels that update what belongs to none of the optimizers that are to be called."""
        ours = frozenset[str]().union(*(one.parameters for one in self.situation.settings))
        updates = self.plan.template.updates
        mine = frozenset(k for one in updates if one.parameter in ours for k in one.kernels)
        found = frozenset(k for one in updates if one.parameter not in ours for k in one.kernels)
        return found - mine if self.situation.own else frozenset()

    def _state_of(self, settings: Settings) -> frozenset[int]:
        """Ids of an optimizer's state; some optimizers change it behind their parameters."""
        return frozenset(
            number
            for number, spec in enumerate(self.plan.specs)
            if spec.role == "state" and spec.name.rpartition(".")[0] in settings.parameters
        )

    def _memory_of(self, settings: Settings) -> frozenset[int]:
        """Where the parameters of an optimizer are."""
        numbers = self.plan.parameters.items()
        return frozenset(self.plan.memory[n] for name, n in numbers if name in settings.parameters)

    # -- one kernel -----------------------------------------------------------------------

    def _one(self, call: Call, registers: Registers) -> None:
        """Call one kernel with a look at everything that may be out of the ordinary."""
        if call.index in self.situation.dropped or (call.echo and self._observer is None):
            if call.draws and not call.obstacle:
                self._draw_aside(call)
            return
        if call.inner:
            registers[call.out] = registers[call.reads[0]]
            return
        if call.operator is None or call.obstacle:
            raise ReplayError(call.obstacle)
        self._change_as_nobody_saw(call, registers)
        missing = [n for n in call.reads if self._live(n, registers) is None]
        if missing:
            raise ReplayError(self._not_there(call, missing))
        args = call.get(registers)
        if call.op in SIZED:
            args = self._fitted(call, args)
        keywords = {name: get(registers)[0] for name, get in call.named}
        if call.kernel.generator is not None and self.situation.own:
            self._set_generator(call, call.kernel.generator)
        with _not_requiring(registers[n] for n in self._held_fast.get(call.index, ())):
            made = flat(call.run(*args, **call.keywords, **keywords))
        if call.draws and not self.situation.redraw:
            self._repeat_draw(call, made)
        keep(call, made, registers)

    def _change_as_nobody_saw(self, call: Call, registers: Registers) -> None:
        """Give what a kernel reads the elements that no kernel gave it."""
        for place in self.plan.filled.get(call.index, ()):
            self._overwrite(registers[place.tensor], place)
        for number, value in self.situation.altered.get(call.index, ()):
            _put(registers[number], value)

    def _draw_aside(self, call: Call) -> None:
        """Let a draw that is left out move the generator on."""
        args = call.get(self.registers)
        if any(arg is None for arg in args):
            return
        with _disable_current_modes(), torch.no_grad():
            if call.kernel.generator is not None and self.situation.own:
                self._set_generator(call, call.kernel.generator)
            copies = (one.clone() if isinstance(one, torch.Tensor) else one for one in args)
            keywords = {name: get(self.registers)[0] for name, get in call.named}
            call.run(*copies, **call.keywords, **keywords)

    def _set_generator(self, call: Call, slot: int) -> None:
        """Draw from where the program drew: its tape tells where that is not where it was left."""
        state = self.situation.numbers[slot]
        if isinstance(state, bytes):
            generator = self._private if call.private else torch.default_generator
            generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))

    def _live(self, number: int, registers: Registers) -> torch.Tensor | None:
        """A tensor; one that is another object for a known one is made of that."""
        tensor: torch.Tensor | None = registers[number]
        alias = self.plan.template.tensors[number].alias
        if tensor is None and alias is not None:
            base = self._live(alias, registers)
            if base is not None:
                tensor = registers[number] = base.detach()
        return tensor

    def _fitted(self, call: Call, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with sizes that fit the tensor that arrives."""
        specs = self.plan.specs
        before, after = specs[call.reads[0]].shape, specs[call.makes[0]].shape
        sizes = fitted(call.op, before, after, args[0].shape)
        return args if sizes is None else (args[0], sizes, *args[2:])

    def _repeat_draw(self, call: Call, made: Sequence[torch.Tensor | None]) -> None:
        """Put the numbers that were drawn in place of those that were drawn now.

        Through ``data``, so that it does not count as a change of what autograd saved.
        """
        for position, (place, tensor) in enumerate(zip(call.kernel.makes, made, strict=False)):
            entry = self._overwrite(tensor, place)
            if entry is not None and self._observer is not None:
                self._observer.replace(position, len(made), entry)
        for place in self.plan.noise(call):
            self._overwrite(self.registers[place.tensor], place)

    def _overwrite(self, tensor: torch.Tensor | None, place: TensorSlot) -> bytes | None:
        entry, spec = self.situation.numbers[place.slot], self.plan.specs[place.tensor]
        if tensor is None or not isinstance(entry, bytes) or tuple(tensor.shape) != spec.shape:
            return None
        with _disable_current_modes():
            _put(tensor, to_tensor(Value(spec.dtype, spec.shape, entry), spec.device))
        return entry

    def _not_there(self, call: Call, missing: Sequence[int]) -> str:
        names = [self.plan.specs[number].name or "a tensor" for number in missing]
        what = f"{call.op} (kernel {call.index}) reads {', '.join(names)}, which is not there."
        return f"{what}{self._obstacle()}"

    def _obstacle(self) -> str:
        """Why a kernel that others depend on could not be executed."""
        lost = (self.plan.calls[index] for index in sorted(self.situation.dropped))
        return next((f" {one.obstacle}" for one in lost if one.obstacle), "")

    # -- custom Functions -----------------------------------------------------------------

    def _apply(self, function: CustomFunction) -> None:
        again = None
        if is_checkpoint(function.name):
            again = functools.partial(self._recompute, self._began)
        results = applied(function, self.registers, self._in_backward, self._run_of, again)
        try:
            for number, tensor in results:
                self.registers[number] = tensor
        except REFUSALS as error:
            msg = (
                f"{function.name} is a custom autograd.Function that hands on what it was given, "
                "or writes into it: it cannot be put together again from the kernels on the tape."
            )
            raise ReplayError(msg) from error
        if self._observer is not None:
            self._observer.applied(function.before)

    def _recompute(
        self,
        state: bytes | None,
        function: CustomFunction,
        run: TapeRun,
        gradients: Sequence[torch.Tensor | None],
    ) -> tuple[torch.Tensor | None, ...]:
        """Make the backward of a checkpoint, whose block began with this random state."""
        calls = self.plan.calls
        forward = [call for call in calls[: function.before] if not (call.engine or call.grad)]
        again = [calls[index] for index in run.kernels if not calls[index].kernel.hooked]
        registers = self.registers.copy()
        return recomputed(Block(function, forward, again, state), gradients, registers, self._one)

    def _run_of(self, function: CustomFunction) -> tuple[int, TapeRun]:
        """The run of a Function's node in the backward that goes on."""
        node = function.places.get(self._number)
        runs = self.plan.backwards[self._number].runs
        run = next((one for one in runs if one.node == node), None)
        if run is None:
            msg = f"{function.name} was not run by this backward when it was recorded."
            raise ReplayError(msg)
        return self._number, run

    def _in_backward(
        self, _number: int, run: TapeRun, known: Mapping[int, torch.Tensor]
    ) -> Mapping[int, torch.Tensor | None]:
        """Execute the kernels that a node ran itself; returns what they made, and what was known.

        What hooks of the program ran before and behind it is no part of it: None.
        """
        registers = self.registers.copy()
        for number, tensor in known.items():
            registers[number] = tensor
        made: dict[int, torch.Tensor | None] = dict(known)
        given = {use.tensor for use in tensors_in(*run.grad_inputs)}
        for index in self.plan.own_code(run):
            call = self.plan.calls[index]
            if call.op in _SUMS and not (given.isdisjoint(call.reads) or given & {*call.makes}):
                continue  # the engine's, of what this node and another one gave
            if index in self.plan.retaining:
                continue  # it has run before the node
            if call.kernel.hooked:
                made |= dict.fromkeys(call.makes)
                continue
            if call.op == _DETACH and call.reads[0] in known:
                registers[call.out] = registers[call.reads[0]]  # unpacking it has run this one
                made[call.out] = registers[call.out]
                continue
            with described(call):
                self._one(call, registers)
            made |= {number: registers[number] for number in call.makes}
        return made

    # -- backward -------------------------------------------------------------------------

    def _backward(self, number: int) -> None:
        backward = self.plan.backwards[number]
        if backward.error:
            msg = f"The recorded backward raised an error: {backward.error}"
            raise ReplayError(msg)
        self._put_in_place(number - 1, backward.position, self.leaves)
        for name in self.situation.cleared[number]:
            if name in self.leaves:
                self.leaves[name].grad = None
        if number == 0 and self.plan.draws:
            self.drawn = generator_state()
        self._look(lambda watcher: watcher.before(number, self.leaves))
        if self.situation.given:
            self._number = number
            self._leave(backward, self.situation.given[number])
            return
        roots = self._roots(backward)
        gradients = self._first_gradients(backward, roots)
        inputs = self._inputs(backward)
        self._number = number
        hooks = executed_hooks(
            self.plan.hooked[number], backward, roots, self.registers, self._in_hook
        )
        watched = torch.autograd.set_detect_anomaly(number in self.plan.watched_for_nan)
        with watched, hooks, self._recorded(number, roots, gradients, inputs):
            results = self._engine(backward, roots, gradients, inputs)
        self._left(backward, results)
        self._look(lambda watcher: watcher.after(number, roots, self.leaves))

    def _leave(self, backward: TapeBackward, given: Mapping[str, torch.Tensor | None]) -> None:
        """Put in place what an engine run left."""
        for name, leaf in self.leaves.items():
            if name in given:
                _give(leaf, given[name])
        self._left(backward, ())

    def _in_hook(self, call: Call) -> None:
        with described(call):
            self._one(call, self.registers)

    def _look(self, tell: Callable[[Watcher], None]) -> None:
        if self._watcher is not None:
            with _disable_current_modes():
                tell(self._watcher)

    def _roots(self, backward: TapeBackward) -> list[torch.Tensor]:
        places = [root.tensor if isinstance(root, TensorSlot) else None for root in backward.roots]
        roots = [None if place is None else self.registers[place] for place in places]
        if any(root is None or not root.requires_grad for root in roots):
            msg = "A tensor that backward was called on cannot be made again."
            made = {number for call in self.plan.calls for number in call.makes}
            if all(place not in made for place in places):
                msg += " It was made before this tape begins: in another step, or between two."
            first = backward.nodes[0] if backward.nodes else None
            if first is not None and first.kernel is None:
                msg = f"{msg} Its node, {first.name}, was made by no kernel of the tape."
            raise ReplayError(msg + self._obstacle())
        return [root for root in roots if root is not None]

    def _first_gradients(
        self, backward: TapeBackward, roots: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """What backward was called with, or ones where it makes them itself."""
        given = [
            self.registers[arg.tensor] if isinstance(arg, TensorSlot) else None
            for arg in (*backward.gradients, *[None] * len(roots))
        ]
        lost = (
            one is None and arg is not None
            for one, arg in zip(given, backward.gradients, strict=False)
        )
        if any(lost):
            msg = f"A gradient that backward was given is not there.{self._obstacle()}"
            raise ReplayError(msg)
        return [
            torch.ones_like(root, memory_format=torch.preserve_format) if one is None else one
            for root, one in zip(roots, given, strict=False)
        ]

    def _inputs(self, backward: TapeBackward) -> tuple[torch.Tensor, ...]:
        found = tuple(self.registers[use.tensor] for use in tensors_in(*backward.inputs))
        if any(one is None for one in found) or len(found) != len(backward.inputs):
            msg = f"A tensor that backward was restricted to is not there.{self._obstacle()}"
            raise ReplayError(msg)
        return found

    @contextlib.contextmanager
    def _recorded(
        self,
        number: int,
        roots: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor],
        inputs: Sequence[torch.Tensor],
    ) -> Iterator[None]:
        if self._observer is None:
            yield
            return
        self._observer.backward_begins(number, roots, gradients, inputs, self.leaves)
        try:
            yield
        finally:
            self._observer.backward_ended(number)

    @staticmethod
    def _engine(
        backward: TapeBackward,
        roots: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor],
        inputs: tuple[torch.Tensor, ...],
    ) -> Sequence[Any]:
        engine: Any = torch.autograd.Variable._execution_engine
        try:
            found: Sequence[Any] = engine.run_backward(
                tuple(roots),
                tuple(gradients),
                backward.retain_graph,
                backward.create_graph,
                inputs,
                allow_unreachable=True,
                accumulate_grad=backward.kind != "grad",
            )
        except LensError:
            raise
        except REFUSALS as error:
            msg = f"The replayed backward raised an error: {first_line(error)}"
            raise ReplayError(msg) from error
        return found or ()

    def _left(self, backward: TapeBackward, results: Sequence[object]) -> None:
        """Put what the engine has left into its registers (NOTE 2)."""
        registers, leaves = self.registers, self.leaves
        written = [(use, one.parameter) for one in backward.writes for use in tensors_in(one.after)]
        named = [*self.plan.named_gradients, *((use.tensor, name) for use, name in written)]
        for number, name in named:
            if name in leaves:
                registers[number] = leaves[name].grad
        for number, leaf in self.plan.unnamed_gradients(backward):
            if registers[leaf] is not None:
                registers[number] = registers[leaf].grad
        for arg, result in zip(backward.results, results, strict=False):
            if isinstance(arg, TensorSlot):  # one that ``.grad`` is set to is not there before
                registers[arg.tensor] = result


@contextlib.contextmanager
def _not_requiring(leaves: Iterable[torch.Tensor]) -> Iterator[None]:
    """Run a block while some leaves do not require grad."""
    switched = [leaf for leaf in leaves if leaf.is_leaf and leaf.requires_grad]
    for leaf in switched:
        leaf.requires_grad = False
    try:
        yield
    finally:
        for leaf in switched:
            leaf.requires_grad_()


# -- kernels one after the other ----------------------------------------------------------------


def run_calls(
    calls: Sequence[Call], registers: Registers, careful: Callable[[Call, Registers], None]
) -> None:
    """Call kernels on registers.

    Args:
        calls: The kernels.
        registers: Tensors by id, then constants.
        careful: Calls a kernel that is not plain.

    Raises:
        ReplayError: A kernel refuses.
    """
    call = None
    try:
        for call in calls:
            if call.plain:
                registers[call.out] = call.run(*call.get(registers), **call.keywords)
            else:
                careful(call, registers)
    except LensError:
        raise
    except REFUSALS as error:
        raise _refused(call, error) from error


@contextlib.contextmanager
def described(call: Call) -> Iterator[None]:
    """Name the kernel where it refuses."""
    try:
        yield
    except LensError:
        raise
    except REFUSALS as error:
        raise _refused(call, error) from error


def _refused(call: Call | None, error: BaseException) -> ReplayError:
    what = f"Kernel {call.index} ({call.op})" if call is not None else "A kernel"
    return ReplayError(f"{what} cannot be executed: {first_line(error)}")


def _give(leaf: torch.Tensor, grad: torch.Tensor | None) -> None:
    """Put what was recorded into a leaf's ``.grad``.

    Raises:
        ReplayError: It is none of that leaf's, as in a file that somebody changed.
    """
    try:
        leaf.grad = grad
    except RuntimeError as error:
        msg = f"A recorded .grad does not fit its parameter: {first_line(error)}."
        raise ReplayError(msg) from error


def _put(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Give a tensor other elements; nobody sees it, and autograd does not count it."""
    with _disable_current_modes(), torch.no_grad():
        tensor.data.copy_(value)


def first_line(error: BaseException) -> str:
    """The first line of what an error says; torch's go on with where it was built."""
    return str(error).partition("\n")[0]
