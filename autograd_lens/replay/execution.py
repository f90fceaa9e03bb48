"""One execution of a program: a whole step, its engine runs included."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.errors import ReplayError
from autograd_lens.replay.engine_run import EngineRun
from autograd_lens.replay.graph_walk import check_graph, walk
from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.observer import Observer, flat_tensors
from autograd_lens.replay.optimizer import Update
from autograd_lens.replay.patterns import Place, parse, resolve, tensors_in
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.situation import Situation, Watcher, as_recorded, first_line
from autograd_lens.replay.sizes import SIZED, fitted
from autograd_lens.replay.trimming import resized
from autograd_lens.replay.values import Entry, to_tensor
from autograd_lens.trace.values import Value

__all__ = ["Execution"]

Json = Mapping[str, Any]


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
            elif spec.role == "input" and spec.name in program.leaves:
                own = self.live[number]
                if own is not None:
                    self.leaves[spec.name] = own.requires_grad_()
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
            msg = f"Kernel {one.index} ({one.op}) cannot be executed: {first_line(error)}"
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
        engine = EngineRun(backward, self.live, self.leaves, self._obstacle())
        roots = engine.roots()
        with _disable_current_modes():
            graph = walk(roots)
            check_graph(graph, backward)
        if self._observer is not None:
            self._observer.begin(backward, graph, roots)
        try:
            engine.run(roots)
        finally:
            if self._observer is not None:
                self._observer.end()
        for write in backward["writes"]:
            for place in tensors_in(parse(write["after"])):
                self.live[place.tensor] = self.leaves[write["parameter"]].grad
        if self._watcher is not None:
            with _disable_current_modes():
                self._watcher.after(number, roots, self.leaves)
