"""One execution of a program: a whole step, its engine runs included.

NOTE 1 [The engine's own door]: backward is called through the engine object, not through
``Tensor.backward``: a program that is being recorded while it looks at a trace must not find
our backwards among its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.errors import ReplayError
from autograd_lens.replay.graph_walk import check_graph, walk
from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.observer import Observer, flat_tensors
from autograd_lens.replay.optimizer import Update
from autograd_lens.replay.patterns import Place, parse, resolve, tensors_in
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.sizes import SIZED, fitted
from autograd_lens.replay.trimming import resized
from autograd_lens.replay.values import Entry, to_tensor
from autograd_lens.trace.values import Value

__all__ = ["Execution", "Situation", "Watcher", "as_recorded"]

Json = Mapping[str, Any]
Leaves = Mapping[str, torch.Tensor]


class Watcher(Protocol):
    """What follows an execution from engine run to engine run."""

    def before(self, backward: int, leaves: Leaves) -> None:
        """An engine run is about to begin."""

    def after(self, backward: int, roots: Sequence[torch.Tensor], leaves: Leaves) -> None:
        """It has ended."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a step finds when it begins.

    Attributes:
        parameters: Value of each parameter by name; the execution works on these.
        grads: Their ``.grad``, None or left out where there is none.
        cleared: For each engine run, the parameters whose ``.grad`` is None before it.
        outside: All else that is read from outside, by id.
        numbers: The slots, for the numbers in them.
        random: State of the random generator, None where no random number is drawn.
        dropped: Kernels that are not executed.
        seeds: How many seeds a data loader drew before anything else.
        shuffled: Id of an order of the data that was drawn before anything else, if one was.
        redraw: Whether random kernels draw again; else they give what was recorded.
        all_grad: Whether kernels of which no node is known run under autograd, too.
    """

    parameters: Mapping[str, torch.Tensor]
    grads: Mapping[str, torch.Tensor | None]
    cleared: Sequence[frozenset[str]]
    outside: Mapping[int, torch.Tensor]
    numbers: Sequence[Any]
    random: bytes | None
    dropped: frozenset[int] = field(default=frozenset())
    seeds: int = 0
    shuffled: int | None = None
    redraw: bool = True
    all_grad: bool = False


class Execution:
    """Executes a program in a situation, once.

    Args:
        program: The program.
        situation: What it finds.
        watcher: Follows it from engine run to engine run.
        observe: Whether to fill the template's slots again.
        optimizers: Descriptions of the optimizers that make the updates; where there are none
            the update's kernels are executed as they stand on the tape.

    Attributes:
        leaves: The parameters by name, after ``run`` as the step left them.
        live: All tensors by id.
        slots: The filled slots, where observed.
    """

    def __init__(
        self,
        program: Program,
        situation: Situation,
        watcher: Watcher | None = None,
        *,
        observe: bool = False,
        optimizers: Sequence[Json] = (),
    ) -> None:
        self._program = program
        self._optimizers = list(optimizers)
        self._situation = situation
        self._watcher = watcher
        self.leaves: dict[str, torch.Tensor] = {}
        self.live: list[torch.Tensor | None] = [None] * len(program.specs)
        self._observer: Observer | None = None
        if observe:
            count = len(situation.numbers)
            self._observer = Observer(program, self.live, situation.dropped, count)

    @property
    def slots(self) -> list[Entry]:
        """The filled slots; empty where not observed."""
        return self._observer.slots if self._observer is not None else []

    def template(self) -> Json:
        """The template that the slots belong to: with the sizes of this step's batch."""
        if self._observer is None:
            return self._program.template
        own = self._observer
        return resized(self._program.template, own.shapes, own.constants, own.saved)

    @property
    def dropped(self) -> frozenset[int]:
        """Kernels that are not executed."""
        return self._situation.dropped

    def run(self) -> None:
        """Execute all kernels and engine runs.

        Raises:
            ReplayError: Something cannot be executed, or departs from what was recorded.
        """
        self._bring_in()
        with as_recorded(self._situation.random), contextlib.ExitStack() as stack:
            self._draw_first()
            if self._observer is not None:
                stack.enter_context(self._observer)
            position = 0
            while position < len(self._program.instructions):
                position = self._advance(position)
        if self._observer is not None:
            self._observer.check()

    def _draw_first(self) -> None:
        """Draw what the program drew before the step, so that the generator moves on as it did."""
        situation = self._situation
        for _ in range(situation.seeds):
            torch.empty((), dtype=torch.int64).random_()
        if situation.shuffled is not None:
            length = self._program.specs[situation.shuffled].shape[0]
            self.live[situation.shuffled] = torch.randperm(length)

    def _bring_in(self) -> None:
        """Make the leaves and everything else that is there when the step begins."""
        program, situation = self._program, self._situation
        for name, value in situation.parameters.items():
            leaf = self.leaves[name] = value.requires_grad_(name in program.leaves)
            leaf.grad = situation.grads.get(name)
        for number, tensor in situation.outside.items():
            self.live[number] = tensor
        for number in program.outside:
            spec = program.specs[number]
            if spec.role == "parameter" and spec.name in self.leaves:
                self.live[number] = self.leaves[spec.name]
            elif spec.role == "gradient":
                owner = self.leaves.get(spec.name.removesuffix(".grad"))
                self.live[number] = owner.grad if owner is not None else None

    def _advance(self, position: int) -> int:
        """Execute what stands at a position; returns the position behind it."""
        number = self._program.starts.get(position)
        instruction = self._program.instructions[position]
        if number is not None:
            self._backward(number)
            return self._behind_backward(number, position)
        if position in self._situation.dropped or instruction.inner:
            return position + 1
        behind = position + 1
        if instruction.phase == "update" and self._optimizers:
            behind = self._update(position)
        else:
            self._call(instruction)
        if self._observer is None:
            return behind
        self._observer.check()
        return max(behind, self._observer.position)

    def _update(self, position: int) -> int:
        """Let an optimizer make the update that begins at a position."""
        instructions = self._program.instructions
        behind = position
        while behind < len(instructions) and instructions[behind].phase == "update":
            behind += 1
        update = Update(self._program, range(position, behind), self._optimizers.pop(0))
        first, implementation = update.start(self.leaves, self.live)
        for index in range(position, first):
            self._call(instructions[index])  # clipping and the like
        update.run(self.leaves, self.live, implementation)
        return behind

    def _behind_backward(self, number: int, position: int) -> int:
        """Where the kernels of an engine run end."""
        instructions = self._program.instructions
        while position < len(instructions):
            one = instructions[position]
            if one.phase != "backward" or one.backward != number:
                break
            position += 1
        if self._observer is not None:
            self._observer.check()
            if self._observer.position < position:
                missed = instructions[self._observer.position]
                msg = f"The replayed backward ended before {missed.op} (kernel {missed.index})."
                raise ReplayError(msg)
        return position

    def _call(self, one: Instruction) -> None:
        if one.operator is None or one.obstacle:
            raise ReplayError(one.obstacle)
        live, numbers = self.live, self._situation.numbers
        if one.given:
            live = list(live)
            for clone, source in one.given:
                live[clone] = live[source]
        for place in self._program.filled.get(one.index, ()):
            new = live[place.tensor]
            if new is not None:
                self._overwrite(new, place)
        args = [resolve(pattern, live, numbers) for pattern in one.positional]
        kwargs = {name: resolve(pattern, live, numbers) for name, pattern in one.keywords}
        given = flat_tensors([*args, *kwargs.values()])
        if len(given) != len(one.reads):
            missing = [n for n in one.reads if live[n] is None]
            raise ReplayError(self._missing(one, missing))
        if one.op in SIZED:
            args = self._fitted(one, args)
        plain = self._situation.all_grad or not any(tensor.requires_grad for tensor in given)
        grad = one.grad or (one.phase == "forward" and plain)
        try:
            with torch.set_grad_enabled(grad):
                made = flat_tensors(one.operator(*args, **kwargs))
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
            msg = f"Kernel {one.index} ({one.op}) cannot be executed: {_first_line(error)}"
            raise ReplayError(msg) from error
        if not self._situation.redraw and one.phase == "forward":
            self._repeat_draw(one, made)
        self._keep(one, made)

    def _fitted(self, one: Instruction, args: list[Any]) -> list[Any]:
        """The arguments with sizes that fit the tensor that arrives."""
        specs = self._program.specs
        before, after = specs[one.reads[0]].shape, specs[one.makes[0]].shape
        sizes = fitted(one.op, before, after, args[0].shape)
        return args if sizes is None else [args[0], sizes, *args[2:]]

    def _repeat_draw(self, one: Instruction, made: list[torch.Tensor]) -> None:
        """Put the numbers that were drawn in place of those that were drawn now.

        Through ``data``, so that it does not count as a change of what autograd saved.
        """
        if one.operator is None or not draws(one.operator, {}):
            return
        for place, tensor in zip(one.outs, made, strict=False):
            entry = self._overwrite(tensor, place)
            if entry is not None and self._observer is not None:
                self._observer.slots[place.slot] = entry
        for place in self._program.noise(one):
            tensor_of_noise = self.live[place.tensor]
            if tensor_of_noise is not None:
                self._overwrite(tensor_of_noise, place)

    def _overwrite(self, tensor: torch.Tensor, place: Place) -> bytes | None:
        entry, spec = self._situation.numbers[place.slot], self._program.specs[place.tensor]
        if not isinstance(entry, bytes) or tuple(tensor.shape) != spec.shape:
            return None
        with _disable_current_modes(), torch.no_grad():
            tensor.data.copy_(to_tensor(Value(spec.dtype, spec.shape, entry), spec.device))
        return entry

    def _keep(self, one: Instruction, made: list[torch.Tensor]) -> None:
        if not made and one.changes:
            return  # it returns nothing, and what it changed is live already
        if len(made) != len(one.outs):
            msg = f"{one.op} returned {len(made)} tensors; {len(one.outs)} were recorded."
            raise ReplayError(msg)
        for place, tensor in zip(one.outs, made, strict=True):
            self.live[place.tensor] = tensor
            if place.tensor in self._program.adopted:
                self._adopt(self._program.adopted[place.tensor], tensor)

    def _adopt(self, name: str, tensor: torch.Tensor) -> None:
        """Make a tensor of the tape the leaf that it was."""
        if tensor.grad_fn is None:
            tensor.requires_grad_()
            tensor.grad = self._situation.grads.get(name)
            self.leaves[name] = tensor

    def _missing(self, one: Instruction, missing: Sequence[int]) -> str:
        names = [self._program.specs[number].name or "a tensor" for number in missing]
        what = f"{one.op} (kernel {one.index}) reads {', '.join(names)}, which is not there."
        return f"{what}{self._obstacle()}"

    def _obstacle(self) -> str:
        """Why a kernel that others depend on could not be executed."""
        kernels = self._program.instructions
        lost = (kernels[index] for index in sorted(self._situation.dropped))
        return next((f" {one.obstacle}" for one in lost if one.obstacle), "")

    # -- backward -----------------------------------------------------------------------

    def _backward(self, number: int) -> None:
        backward = self._program.backwards[number]
        if backward["error"]:
            msg = f"The recorded backward raised an error: {backward['error']}"
            raise ReplayError(msg)
        for name in self._situation.cleared[number] if number else ():
            self.leaves[name].grad = None
        if self._watcher is not None:
            with _disable_current_modes():
                self._watcher.before(number, self.leaves)
        roots = self._roots(backward)
        with _disable_current_modes():
            graph = walk(roots)
            check_graph(graph, backward)
        if self._observer is not None:
            self._observer.begin(backward, graph, roots)
        try:
            self._run_engine(backward, roots)
        finally:
            if self._observer is not None:
                self._observer.end()
        for write in backward["writes"]:
            for place in tensors_in(parse(write["after"])):
                self.live[place.tensor] = self.leaves[write["parameter"]].grad
        if self._watcher is not None:
            with _disable_current_modes():
                self._watcher.after(number, roots, self.leaves)

    def _roots(self, backward: Json) -> list[torch.Tensor]:
        roots = [resolve(parse(enc), self.live, ()) for enc in backward["roots"]]
        if any(root is None or not root.requires_grad for root in roots):
            msg = "A tensor that backward was called on cannot be made again."
            if backward["nodes"] and backward["nodes"][0]["kernel"] is None:
                name = backward["nodes"][0]["name"]
                msg = f"{msg} Its node, {name}, was made by no kernel of the tape."
            msg += self._obstacle()
            raise ReplayError(msg)
        return roots

    def _run_engine(self, backward: Json, roots: list[torch.Tensor]) -> None:
        arguments = (
            tuple(roots),
            tuple(self._first_gradients(backward, roots)),
            backward["retain_graph"],
            backward["create_graph"],
        )
        grad = backward["kind"] == "grad"
        asked = self._asked(backward)
        inputs = tuple(self.leaves[name] for name in asked)
        try:
            found = _engine().run_backward(
                *arguments, inputs, allow_unreachable=True, accumulate_grad=not grad
            )
        except RuntimeError as error:
            msg = f"The replayed backward raised an error: {_first_line(error)}"
            raise ReplayError(msg) from error
        if grad:
            self._keep_results(backward, dict(zip(asked, found, strict=True)))

    def _first_gradients(self, backward: Json, roots: list[torch.Tensor]) -> list[torch.Tensor]:
        """What backward was called with, or ones where that was not recorded."""
        encs = backward.get("gradients", ())
        given = [resolve(parse(enc), self.live, ()) for enc in encs]
        if any(one is None and enc is not None for one, enc in zip(given, encs, strict=True)):
            msg = f"A gradient that backward was given is not there.{self._obstacle()}"
            raise ReplayError(msg)
        given += [None] * (len(roots) - len(given))
        return [
            torch.ones_like(root) if one is None else one
            for root, one in zip(roots, given, strict=True)
        ]

    def _asked(self, backward: Json) -> list[str]:
        """The leaves that backward was restricted to; none where it was not."""
        nodes = backward["nodes"]
        if backward["kind"] == "grad":
            sent = (nodes[end]["variable"] for _, end in _sent(backward))
            return list(dict.fromkeys(name for name in sent if name))
        reached = [node["variable"] for node in nodes if node["variable"]]
        written = {write["parameter"] for write in backward["writes"]}
        return [] if written >= set(reached) else [name for name in reached if name in written]

    def _keep_results(self, backward: Json, found: Mapping[str, Any]) -> None:
        """Give the results of ``torch.autograd.grad`` the ids they had."""
        for enc, end in _sent(backward):
            name = backward["nodes"][end]["variable"]
            if name in found:
                for place in tensors_in(parse(enc)):
                    self.live[place.tensor] = found[name]


def _sent(backward: Json) -> Iterator[tuple[Any, int]]:
    """Every gradient that a node passed on, and the node it went to."""
    runs = {run["node"]: run["grad_inputs"] for run in backward["runs"]}
    for start, position, end, _ in backward["edges"]:
        gradients = runs.get(start, ())
        if position < len(gradients) and gradients[position] is not None:
            yield gradients[position], end


def _engine() -> Any:
    return torch.autograd.Variable._execution_engine


@contextlib.contextmanager
def as_recorded(random: bytes | None) -> Iterator[None]:
    """Draw random numbers as the recorded step did; the program's own go on behind it."""
    before = torch.default_generator.get_state()
    try:
        if random is not None:
            state = torch.frombuffer(bytearray(random), dtype=torch.uint8)
            torch.default_generator.set_state(state)
        yield
    finally:
        torch.default_generator.set_state(before)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
