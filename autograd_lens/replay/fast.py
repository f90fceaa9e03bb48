"""Thousands of plain steps replayed in a row, as fast as the program itself ran them.

Most light steps of a simple loop differ in nothing but their parameters. For these, everything
that ``Execution`` decides per step is decided once, and what light rows hold is compared in one
go behind the loop.

NOTE 1 [In place]: all rows of a parameter stand in one table, and each step works on its own
row: the engine adds to the row of ``.grad``, the update writes into the row of the parameter.
So what is compared behind the loop are two tables. Rows begin at multiples of 64 bytes, as
memory that torch allocates does: matrix kernels may sum in another order elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.patterns import Fixed, Number, Pattern, Place, tensors_in
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.sources import Donor

__all__ = ["FastProgram", "Tables", "compile_fast"]

Array = npt.NDArray[Any]
Registers = list[Any]
Stage = list[tuple[Callable[..., Any], Callable[[Registers], tuple[Any, ...]], dict[str, Any], int]]

_ALIGNED = 64
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, slots=True)
class Tables:
    """What some steps in a row gave.

    Attributes:
        losses: (steps,).
        grads: ``.grad`` of each parameter by name: (steps, *shape).
        values: Each parameter behind the update: (steps, *shape).
    """

    losses: Array
    grads: Mapping[str, Array]
    values: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class FastProgram:
    """A program whose steps differ in their parameters alone.

    Attributes:
        names: The parameters.
        registers: Tensors by id, then constants.
        homes: Registers in which each parameter stands.
        grads: Registers in which each parameter's ``.grad`` stands behind backward.
        forward: Kernels up to the loss.
        update: Kernels of the update.
        root: Register of the loss.
        sets: Whether backward finds no ``.grad``.
    """

    names: tuple[str, ...]
    registers: Registers
    homes: Mapping[str, tuple[int, ...]]
    grads: Mapping[str, tuple[int, ...]]
    forward: Stage
    update: Stage
    root: int
    sets: bool

    def run(self, values: Mapping[str, Array], before: Mapping[str, Array]) -> Tables:
        """Execute some steps.

        Args:
            values: Each parameter at each step: (steps, *shape).
            before: Its ``.grad`` before backward, where there is one: (steps, *shape).
        """
        leaves = {name: _rows(values[name]) for name in self.names}
        grads = {} if self.sets else {name: _rows(before[name]) for name in self.names}
        kept: dict[str, list[torch.Tensor]] = {name: [] for name in self.names}
        losses: list[torch.Tensor] = []
        for step in range(len(values[self.names[0]])):
            own = {name: rows[step].requires_grad_() for name, rows in leaves.items()}
            for name, leaf in own.items():
                leaf.grad = None if self.sets else grads[name][step]
            losses.append(self._step(own))
            for name, leaf in own.items():
                kept[name].append(_gradient(leaf))
        return Tables(
            losses=torch.stack(losses).numpy(),
            grads={name: torch.stack(rows).numpy() for name, rows in kept.items()},
            values={name: torch.stack([*rows]).detach().numpy() for name, rows in leaves.items()},
        )

    def _step(self, leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        registers = self.registers
        for name, leaf in leaves.items():
            for home in self.homes[name]:
                registers[home] = leaf
        for call, arguments, keywords, out in self.forward:
            registers[out] = call(*arguments(registers), **keywords)
        loss: torch.Tensor = registers[self.root]
        _run_backward((loss,), (torch.ones_like(loss),), False, False, (), True, True)  # noqa: FBT003  the engine takes no keywords
        for name, leaf in leaves.items():
            for home in self.grads[name]:
                registers[home] = leaf.grad
        with torch.no_grad():
            for call, arguments, keywords, out in self.update:
                registers[out] = call(*arguments(registers), **keywords)
        return loss.detach()


def _gradient(leaf: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def _run_backward(*arguments: Any) -> None:
    engine: Any = torch.autograd.Variable._execution_engine
    engine.run_backward(*arguments)


def compile_fast(donor: Donor) -> FastProgram | None:
    """The fast form of a full step's program; None where its steps are not as plain as that."""
    program = donor.program
    if not _is_plain(program):
        return None
    compiler = _Compiler(donor)
    root = program.backwards[0]["roots"][0][1]
    needed = program.depends[program.makers[root][-1]] | {program.makers[root][-1]}
    updating = frozenset(k for update in program.template["updates"] for k in update["kernels"])
    forward = [one for one in program.instructions if one.index in needed]
    update = [one for one in program.instructions if one.index in updating]
    if not _is_clean(program, forward, update):
        return None
    stages = compiler.stage(forward), compiler.stage(update)
    homes: dict[str, tuple[int, ...]] = {}
    grads: dict[str, tuple[int, ...]] = dict.fromkeys(program.leaves, ())
    for number, spec in enumerate(program.specs):
        if spec.role == "parameter" and number in program.outside:
            homes[spec.name] = (*homes.get(spec.name, ()), number)
        owner = spec.name.removesuffix(".grad")
        if spec.role == "gradient" and owner in grads:
            grads[owner] = (*grads[owner], number)
    if homes.keys() != program.leaves or any(stage is None for stage in stages):
        return None
    return FastProgram(
        names=tuple(sorted(homes)),
        registers=compiler.registers,
        homes=homes,
        grads=grads,
        forward=stages[0] or [],
        update=stages[1] or [],
        root=root,
        sets=all(write["mode"] == "set" for write in program.backwards[0]["writes"]),
    )


def _is_plain(program: Program) -> bool:
    """One backward from one scalar, nothing carried, nothing drawn, dtypes that NumPy has."""
    if len(program.backwards) != 1 or program.state or program.adopted:
        return False
    backward = program.backwards[0]
    root = backward["roots"][0] if len(backward["roots"]) == 1 else None
    modes = {write["mode"] for write in backward["writes"]}
    written = {write["parameter"] for write in backward["writes"]}
    leaves = [spec for spec in program.specs if spec.role == "parameter"]
    return (
        root is not None
        and root[1] in program.makers
        and program.specs[root[1]].shape == ()
        and (backward["kind"], backward["error"]) == ("backward", "")
        and not backward["retain_graph"]
        and not backward["create_graph"]
        and len(modes) == 1
        and written == program.leaves
        and all(spec.dtype in _DTYPES and spec.device == "cpu" for spec in leaves)
        and not any(one.operator and draws(one.operator, {}) for one in program.instructions)
    )


def _is_clean(
    program: Program, forward: Sequence[Instruction], update: Sequence[Instruction]
) -> bool:
    """Whether forward kernels run under autograd alike, and no constant or grad is changed."""
    leaves = {n for n, spec in enumerate(program.specs) if spec.role == "parameter"}
    moving = set(leaves)
    for one in forward:
        depends = not moving.isdisjoint(one.reads)
        if one.phase != "forward" or one.changes or one.obstacle or (depends and not one.grad):
            return False
        if depends:
            moving.update(one.makes)
    kept = {program.memory[n] for n in program.outside if n not in leaves}
    kept |= {program.memory[n] for n, spec in enumerate(program.specs) if spec.role == "gradient"}
    changed = {program.memory[number] for one in update for number in one.changes}
    return kept.isdisjoint(changed) and not any(one.obstacle for one in update)


class _Compiler:
    """Turns instructions into calls on registers."""

    def __init__(self, donor: Donor) -> None:
        self._slots = donor.encoded.slots
        self._outside = donor.program.outside
        self.registers: Registers = [None] * len(donor.program.specs)
        for number, slot in self._outside.items():
            if donor.program.specs[number].role not in ("parameter", "gradient"):
                self.registers[number] = donor.tensor(number, slot)

    def stage(self, instructions: Sequence[Instruction]) -> Stage | None:
        """The calls of some instructions; None where one does not fit."""
        calls: Stage = []
        for one in instructions:
            if one.operator is None or len(one.outs) != 1 or _has_tensors(one.keywords):
                return None
            where = [self._register(pattern) for pattern in one.positional]
            if any(register is None for register in where):
                return None
            keywords = {name: self._constant(pattern) for name, pattern in one.keywords}
            places = [register for register in where if register is not None]
            out = one.outs[0].tensor
            calls.append((one.operator._op, _getter(places), keywords, out))
        return calls

    def _register(self, pattern: Pattern) -> int | None:
        """Where an argument stands; lists of tensors have no register."""
        if isinstance(pattern, Place):
            return pattern.tensor
        if any(True for _ in tensors_in(pattern)):
            return None
        self.registers.append(self._constant(pattern))
        return len(self.registers) - 1

    def _constant(self, pattern: Pattern) -> Any:
        if isinstance(pattern, tuple):
            return [self._constant(item) for item in pattern]
        if isinstance(pattern, Number):
            return self._slots[pattern.slot]
        return pattern.value if isinstance(pattern, Fixed) else None


def _has_tensors(keywords: Sequence[tuple[str, Pattern]]) -> bool:
    return any(True for _, pattern in keywords for _ in tensors_in(pattern))


def _getter(places: Sequence[int]) -> Callable[[Registers], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    place = places[0]
    return lambda registers: (registers[place],)


def _rows(array: Array) -> tuple[torch.Tensor, ...]:
    """A copy of each row, each at its own aligned place (NOTE 1)."""
    steps, width = len(array), int(np.prod(array.shape[1:], dtype=np.int64))
    stride = -(-width * array.itemsize // _ALIGNED) * _ALIGNED // array.itemsize
    table = torch.empty((steps, max(stride, 1)), dtype=torch.from_numpy(array[:0]).dtype)
    table[:, :width] = torch.from_numpy(np.array(array.reshape(steps, width)))
    flat = table[:, :width]
    shape = tuple(array.shape[1:])
    return tuple(row.view(shape) for row in flat.unbind(0))
