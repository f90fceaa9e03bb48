"""What the steps of a program read that light rows do not hold, found out from full steps.

NOTE 1 [Compared, not guessed]: two full steps of one graph tell what changes from step to step.
Where both read the same from outside, so do the light steps between them, and the nearest full
step has it. Where they read different batches that a module or a data loader was handed, the
handed tensors are kept from then on. Where they differ in anything else (a batch cut by hand, a
number of the forward, random numbers drawn in between, the kernels themselves), no light row
can hold it, and every step from then on is recorded *lean*: its kernels and what they read from
outside, without what they compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_lens.live.mode import UNSET
from autograd_lens.trace.tape import (
    Arg,
    Const,
    TapeKernel,
    Template,
    numbers_in,
    tensors_in,
)

__all__ = ["Needs", "read_from_outside"]

_STRUCTURES = 4  # graphs, beyond which a program is taken to make a new one in every step
_PLAIN = frozenset({"parameter", "gradient", "state"})
_RUNNING = frozenset({"running_mean", "running_var"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the forward of one full step read.

    Attributes:
        kernels: Its operators and constants.
        handed: What it was handed.
        outside: Everything else that no kernel made, and the numbers it computed with.
        update: The numbers that its update computed with.
    """

    kernels: tuple[Any, ...]
    handed: tuple[Any, ...]
    outside: tuple[Any, ...]
    update: tuple[Any, ...]

    def update_differs(self, other: _Reading) -> bool:
        """Whether updates of as many numbers computed with others."""
        return len(self.update) == len(other.update) and self.update != other.update


@dataclass(slots=True)
class Needs:
    """Notices what changes from step to step.

    Attributes:
        inputs: Whether what modules and data loaders are handed has to be kept.
        tapes: Whether every step has to be recorded, at least lean.
    """

    inputs: bool = False
    tapes: bool = False
    _known: dict[tuple[str, ...], _Reading] = field(default_factory=dict)

    def see(
        self,
        template: Template,
        slots: Sequence[Any],
        *,
        described: bool,
        state: bytes | None,
    ) -> None:
        """Compare a full step with the one before it of the same graph.

        Args:
            template: Its structure.
            slots: Its values.
            described: Whether the numbers of its update are kept beside light rows.
            state: The state of the random generator that light rows hold for it; None where
                that is not known.
        """
        if self.tapes:
            return
        graphs = tuple([backward.fingerprint for backward in template.backwards])
        now = _reading(template, slots)
        before = self._known.get(graphs)
        self._known[graphs] = now
        if before is None:
            self.tapes = len(self._known) > _STRUCTURES
            return
        if len(now.handed) != len(before.handed):
            # The modules of the first step are only known, and asked, behind it.
            read = {*now.handed, *now.outside}
            self.inputs = self.inputs or read != {*before.handed, *before.outside}
            return
        first = _first_draw(template, slots)
        self.inputs = self.inputs or now.handed != before.handed
        self.tapes = (
            (now.kernels, now.outside) != (before.kernels, before.outside)
            or (not described and now.update_differs(before))
            or (first is not None and state is not None and first != state)
        )


def _reading(template: Template, slots: Sequence[Any]) -> _Reading:
    forward = [kernel for kernel in template.kernels if kernel.phase == "forward"]
    update = [kernel for kernel in template.kernels if kernel.phase == "update"]
    handed = {number for number in template.handed if number is not None}
    outside = dict(_outside(template))
    return _Reading(
        kernels=tuple([(kernel.op, tuple(_constants(kernel))) for kernel in forward]),
        handed=tuple([slots[outside[number]] for number in sorted(handed) if number in outside]),
        outside=(
            *(slots[slot] for number, slot in outside.items() if number not in handed),
            *(slots[number] for kernel in forward for number in _numbers(kernel)),
        ),
        update=tuple([slots[number] for kernel in update for number in _numbers(kernel)]),
    )


def _first_draw(template: Template, slots: Sequence[Any]) -> bytes | None:
    """The state of the generator before the step's first draw."""
    places = (kernel.generator for kernel in template.kernels if kernel.generator is not None)
    state = next((slots[place] for place in places), None)
    return state if isinstance(state, bytes) else None


def _outside(template: Template) -> Iterator[tuple[int, int]]:
    """Tensors that the forward reads and that nothing made or changes: id and slot."""
    changed = {use.tensor for kernel in template.kernels for use in kernel.makes}
    for kernel in template.kernels:
        if kernel.phase != "forward":
            continue
        for argument in kernel.args:
            for use in tensors_in(argument.value):
                role = template.tensors[use.tensor].role
                plain = role in _PLAIN or argument.name in _RUNNING
                if not plain and use.tensor not in changed:
                    yield use.tensor, use.slot


def _constants(kernel: TapeKernel) -> Iterator[Any]:
    for argument in kernel.args:
        if isinstance(argument.value, Const):
            yield argument.value.value


def _numbers(kernel: TapeKernel) -> Iterator[int]:
    for argument in kernel.args:
        yield from (number.slot for number in numbers_in(argument.value))


def read_from_outside(template: Template) -> frozenset[int]:
    """The slots that a lean step keeps: first readings of what nothing made, and numbers."""
    kept: set[int] = set()
    results = (tensors_in(*backward.results) for backward in template.backwards)
    met = {use.tensor for found in results for use in found}

    filled: set[int] = set()  # memory that NumPy may fill at any time: all readings are kept

    def read(*args: Arg) -> None:
        kept.update(number.slot for number in numbers_in(*args))
        for use in tensors_in(*args):
            if use.tensor not in met or use.tensor in filled:
                kept.add(use.slot)
            met.add(use.tensor)

    for kernel in template.kernels:
        read(*(argument.value for argument in kernel.args))
        made = {use.tensor for use in kernel.makes}
        met |= made
        filled = filled | made if kernel.op.startswith(UNSET) else filled - made
        if kernel.generator is not None:
            kept.add(kernel.generator)
    for backward in template.backwards:
        read(*backward.gradients, *backward.inputs)
    return frozenset(kept)
