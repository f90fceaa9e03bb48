"""Thousands of plain steps replayed in a row, as fast as the program itself ran them.

Most light steps of a simple loop differ in nothing but their parameters. For these, everything
that an execution decides per step is decided once, the same calls are run on the same registers,
and what light rows hold is compared in one go behind the loop.

NOTE 1 [In place]: all rows of a parameter stand in one table, and each step works on its own
row: the engine adds to the row of ``.grad``, the update writes into the row of the parameter.
So what is compared behind the loop are two tables. Rows begin at multiples of 64 bytes, as
memory that torch allocates does: matrix kernels may sum in another order elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autograd_lens.errors import ReplayError, TraceError
from autograd_lens.replay.donors import Donor, Donors
from autograd_lens.replay.execute import run_calls
from autograd_lens.replay.plan import Call, Plan, Registers
from autograd_lens.trace.history import ParameterHistory
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.tape import TapeBackward, TensorSlot, tensors_in
from autograd_lens.trace.values import Array

__all__ = ["proved_at_once"]

_CHUNK = 1000  # steps
_FEW = 32
_ALIGNED = 64
_DTYPES = frozenset({"float32", "float64"})


def proved_at_once(trace: Trace, donors: Donors, steps: Sequence[int]) -> frozenset[int]:
    """The steps whose loss, gradients and update are bit for bit those recorded.

    Whatever is not among them has to be looked at one by one: it may differ, or only be less
    plain.

    Args:
        trace: The recording.
        donors: Where tapes come from.
        steps: The steps that are asked for.
    """
    found: set[int] = set()
    try:
        for chosen in _alike(trace, donors, steps):
            found.update(_prove(trace, donors, chosen))
    except TraceError:  # parameters too large for tables, or a structure without a tape
        return frozenset()
    return frozenset(found)


def _alike(trace: Trace, donors: Donors, steps: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Light steps with one run of the engine each, those of one graph together."""
    rows = trace.rows
    asked = np.setdiff1d(np.array(steps, np.int64), np.array(sorted(donors.own), np.int64))
    asked = asked[asked >= trace.first_kept]
    numbers, first, counts = np.unique(rows.steps, return_index=True, return_counts=True)
    single = dict(zip(numbers[counts == 1].tolist(), first[counts == 1].tolist(), strict=True))
    graphs = rows.graphs
    groups: dict[int, list[int]] = {}
    for step in asked.tolist():
        # Of the last step the state behind it stands in the END row, which has its number.
        if step in single and single[step] + 1 < len(graphs):
            groups.setdefault(int(graphs[single[step]]), []).append(step)
    for graph, members in groups.items():
        if graph >= 0 and len(members) > _FEW:
            yield np.array(members, np.int64)


def _prove(trace: Trace, donors: Donors, steps: npt.NDArray[np.int64]) -> Iterator[int]:
    middle = int(steps[len(steps) // 2])
    if donors.random(middle) is not None or donors.items(middle):
        return
    run = _Stretch.of(next(donors.of(middle)))
    if run is None:
        return
    histories = {name: trace.parameter(name) for name in run.homes}
    mode = "set" if run.sets else "accumulate"
    there = np.all([history.modes[steps] == mode for history in histories.values()], axis=0)
    steps = steps[there]
    for chunk in np.array_split(steps, max(1, len(steps) // _CHUNK)):
        if len(chunk):
            yield from chunk[_right(trace, run, histories, chunk)].tolist()


def _right(
    trace: Trace,
    run: _Stretch,
    histories: Mapping[str, ParameterHistory],
    steps: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    losses, grads, values = run.run(
        {name: history.values[steps] for name, history in histories.items()},
        {name: history.grads_before[steps] for name, history in histories.items()},
    )
    right: npt.NDArray[np.bool_] = losses.astype(np.float64) == trace.losses[steps]
    for name, history in histories.items():
        right &= _same_bits(grads[name], history.grads[steps])
        right &= _same_bits(values[name], history.values[steps + 1])
    return right


def _same_bits(ours: Array, recorded: Array) -> npt.NDArray[np.bool_]:
    """For each row, whether all its bytes are the same."""
    left = np.ascontiguousarray(ours).reshape(len(ours), -1).view(np.uint8)
    right = np.ascontiguousarray(recorded).reshape(len(recorded), -1).view(np.uint8)
    same: npt.NDArray[np.bool_] = (left == right).all(axis=1)
    return same


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A tape whose steps differ in their parameters alone.

    Attributes:
        registers: What all steps share.
        homes: Registers in which each parameter stands.
        grads: Registers in which each parameter's ``.grad`` stands behind backward.
        forward: Kernels up to the loss.
        update: Kernels of the update.
        root: Register of the loss.
        sets: Whether backward finds no ``.grad``.
    """

    registers: Registers
    homes: Mapping[str, tuple[int, ...]]
    grads: Mapping[str, tuple[int, ...]]
    forward: tuple[Call, ...]
    update: tuple[Call, ...]
    root: int
    sets: bool

    @classmethod
    def of(cls, donor: Donor) -> _Stretch | None:
        """What is decided once; None where its steps are not as plain as that."""
        plan = donor.plan
        backward = plan.backwards[0] if len(plan.backwards) == 1 else None
        if backward is None or not _is_plain(plan, backward):
            return None
        (root,) = [use.tensor for use in tensors_in(*backward.roots)]
        forward = tuple(plan.needed([root], plan.calls[: backward.position]))
        behind = [call for call in plan.calls[backward.position :] if not call.engine]
        update = tuple(plan.needed(plan.parameters.values(), behind))
        if not _is_clean(plan, forward, update):
            return None
        homes: dict[str, tuple[int, ...]] = {}
        for number in plan.outside:
            if plan.specs[number].role == "parameter":
                name = plan.specs[number].name
                homes[name] = (*homes.get(name, ()), number)
        grads = {name: tuple(n for n, own in plan.named_gradients if own == name) for name in homes}
        sets = all(write.mode == "set" for write in backward.writes)
        return cls(_registers(donor), homes, grads, forward, update, root, sets)

    def run(
        self, values: Mapping[str, Array], before: Mapping[str, Array]
    ) -> tuple[Array, Mapping[str, Array], Mapping[str, Array]]:
        """Execute some steps.

        Args:
            values: Each parameter at each step: (steps, *shape).
            before: Its ``.grad`` before backward, where there is one: (steps, *shape).

        Returns:
            Losses (steps,); ``.grad`` of each parameter, and each parameter behind the update:
            (steps, *shape).
        """
        leaves = {name: _rows(values[name]) for name in self.homes}
        grads = {} if self.sets else {name: _rows(before[name]) for name in self.homes}
        kept: dict[str, list[torch.Tensor]] = {name: [] for name in self.homes}
        losses: list[torch.Tensor] = []
        for step in range(len(next(iter(values.values())))):
            own = {name: rows[step].requires_grad_() for name, rows in leaves.items()}
            for name, leaf in own.items():
                leaf.grad = None if self.sets else grads[name][step]
            losses.append(self._step(own))
            for name, leaf in own.items():
                kept[name].append(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)
        return (
            torch.stack(losses).numpy(),
            {name: torch.stack(rows).numpy() for name, rows in kept.items()},
            {name: torch.stack([*rows]).detach().numpy() for name, rows in leaves.items()},
        )

    def _step(self, leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        registers = self.registers
        for name, leaf in leaves.items():
            for home in self.homes[name]:
                registers[home] = leaf
        run_calls(self.forward, registers, _refuse)
        loss: torch.Tensor = registers[self.root]
        engine: Any = torch.autograd.Variable._execution_engine
        engine.run_backward((loss,), (torch.ones_like(loss),), False, False, (), True, True)
        for name, leaf in leaves.items():
            for home in self.grads[name]:
                registers[home] = leaf.grad
        with torch.no_grad():
            run_calls(self.update, registers, _refuse)
        return loss.detach()


def _refuse(call: Call, _registers: Registers) -> None:
    msg = f"{call.op} is not plain."
    raise ReplayError(msg)


def _registers(donor: Donor) -> Registers:
    registers = donor.plan.blank.copy()
    for register, slot in donor.plan.numbers:
        registers[register] = donor.slots[slot]
    for number in donor.plan.outside:
        if donor.plan.specs[number].role not in ("parameter", "gradient"):
            registers[number] = donor.tensor(number)
    return registers


def _is_plain(plan: Plan, backward: TapeBackward) -> bool:
    """One backward from one scalar, nothing carried, nothing drawn, dtypes that NumPy has."""
    root = backward.roots[0] if len(backward.roots) == 1 else None
    modes = {write.mode for write in backward.writes}
    leaves = [plan.specs[number] for number in plan.leaves]
    return (
        isinstance(root, TensorSlot)
        and plan.specs[root.tensor].shape == ()
        and (backward.kind, backward.error) == ("backward", "")
        and not (backward.retain_graph or backward.create_graph or backward.inputs)
        and not (plan.state or plan.functions or plan.draws or plan.loose)
        and len(modes) == 1
        and {write.parameter for write in backward.writes} == set(plan.parameters)
        and set(plan.leaves.values()) == set(plan.parameters)
        and all(spec.dtype in _DTYPES and spec.device == "cpu" for spec in leaves)
        and all(number in plan.outside for number in plan.leaves)
        and plan.ends == plan.parameters
    )


def _is_clean(plan: Plan, forward: Sequence[Call], update: Sequence[Call]) -> bool:
    """Whether forward kernels run under autograd alike, and no constant or grad is changed."""
    leaves = set(plan.leaves)
    if any(call.changes or not (call.plain and call.grad) for call in forward):
        return False
    if any(call.index in plan.filled for call in forward):
        return False
    kept = {plan.memory[number] for number in plan.outside if number not in leaves}
    kept |= {plan.memory[number] for number, _ in plan.named_gradients}
    changed = {plan.memory[number] for call in update for number in call.changes}
    plain = all(call.plain and call.index not in plan.filled for call in update)
    return plain and kept.isdisjoint(changed)


def _rows(array: Array) -> tuple[torch.Tensor, ...]:
    """A copy of each row, each at its own aligned place (NOTE 1)."""
    steps, width = len(array), int(np.prod(array.shape[1:], dtype=np.int64))
    stride = -(-width * array.itemsize // _ALIGNED) * _ALIGNED // array.itemsize
    table = torch.empty((steps, max(stride, 1)), dtype=torch.from_numpy(array[:0]).dtype)
    table[:, :width] = torch.from_numpy(np.array(array.reshape(steps, width)))
    flat = table[:, :width]
    shape = tuple(array.shape[1:])
    return tuple(row.view(shape) for row in flat.unbind(0))
