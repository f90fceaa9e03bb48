"""What is to be changed in a descent: constants of optimizers, and places to start from.

NOTE 1 [Which number is it]: in a handwritten update a constant is a number on the tape, found
by its value. That tells which number it is only where nothing else has the same value, and that
all follows its change only where no other number may have been computed from it. Where either
cannot be told, the change is refused: what it led to would look right and be wrong.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.replay.donors import Donor
from autograd_lens.replay.optimizer import Settings
from autograd_lens.replay.plan import Plan
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.selection import find_scalar
from autograd_lens.trace.tape import numbers_in

__all__ = ["WAY_OUT", "Changes", "Start"]

WAY_OUT = "Edit the script and record it again."

_SHOWN = 8
Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """A parameter, or one element of it, that begins elsewhere.

    Attributes:
        parameter: Its name.
        index: Which element; None for all of them.
        value: Where it begins.
    """

    parameter: str
    index: Index | None
    value: float

    @property
    def place(self) -> Any:
        """What to index the parameter's values with."""
        return ... if self.index is None else self.index


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that is changed.

    Attributes:
        starts: Places to start from, by the name they were given.
        constants: New values of constants by name.
        optimizers: The optimizers as they are described.
    """

    starts: Mapping[str, Start]
    constants: Mapping[str, float]
    optimizers: Sequence[Settings]

    @classmethod
    def parse(
        cls,
        changes: Mapping[str, float],
        parameters: Mapping[str, Parameter],
        optimizers: Sequence[Settings],
    ) -> Changes:
        """Tell places from constants.

        Raises:
            SelectionError: A name is neither, an element does not exist, or a value is not finite.
        """
        known = {name for one in optimizers for name in one.numbers}
        starts, constants = {}, {}
        for name, value in changes.items():
            if not math.isfinite(value):
                msg = f"{name} cannot be set to {value:g}."
                raise SelectionError(msg, hint="Give it a finite number.")
            start = _start(name, value, parameters)
            if start is not None:
                starts[name] = start
            elif name in known:
                constants[name] = value
            else:
                raise _unknown(name, sorted(known), list(parameters))
        return cls(starts, constants, optimizers)

    def originals(self, name: str) -> list[float]:
        """The values that a constant has in the recording, rising."""
        parts = [part for one in self.optimizers for part in one.parts]
        found = {part[name] for part in parts if name in part}
        return sorted(map(float, found))

    def numbers(self, donor: Donor) -> list[Any]:
        """A tape's slots with the changed constants in its update.

        Raises:
            ReplayError: It cannot be told which numbers these are.
        """
        slots: list[Any] = list(donor.slots)
        for name, value in self.constants.items():
            for old in self.originals(name):
                self._refuse_doubt(name, old, donor)
                for slot in donor.plan.update_numbers:
                    before = donor.slots[slot]
                    if isinstance(before, float) and abs(before) == abs(old):
                        slots[slot] = value if before == old else -value
        return slots

    def changed(self, settings: Settings) -> Settings:
        """An optimizer with the changed constants, in each of its groups."""
        groups = tuple(replace(one, numbers=self._own(one.numbers)) for one in settings.groups)
        return replace(settings, numbers=self._own(settings.numbers), groups=groups)

    def _own(self, numbers: Mapping[str, float]) -> Mapping[str, float]:
        changed = {name: value for name, value in self.constants.items() if name in numbers}
        return {**numbers, **changed}

    # -- NOTE 1 ---------------------------------------------------------------------------

    def _refuse_doubt(self, name: str, old: float, donor: Donor) -> None:
        """Raise where a constant is not one number of the update, or not certainly so."""
        numbers = dict(_floats(donor.plan.update_numbers, donor.slots))
        if abs(old) not in map(abs, numbers.values()):
            msg = f"No kernel of the update computes with {name} = {old:g}."
            raise ReplayError(msg, hint=WAY_OUT)
        others = [
            other for other, value in self._attributes() if other != name and value == abs(old)
        ]
        twice = _most(donor.plan, numbers, old) > 1
        if others or twice:
            why = f"{others[0]} has the same value" if others else "the update has it twice"
            msg = f"Which number of the update is {name} cannot be told: {why} ({old:g})."
            raise ReplayError(msg, hint=WAY_OUT)
        explained = {value for _, value in self._attributes()}
        strange = [v for v in numbers.values() if abs(v) not in explained and not v.is_integer()]
        if strange:
            msg = f"The update computes with {strange[0]:g}, too, which may follow from {name}."
            raise ReplayError(msg, hint=WAY_OUT)

    def _attributes(self) -> Iterator[tuple[str, float]]:
        """Names and magnitudes of all constants."""
        for optimizer in self.optimizers:
            for name, value in optimizer.numbers.items():
                yield name, abs(float(value))


def _floats(slots: Iterable[int], values: Sequence[object]) -> Iterator[tuple[int, float]]:
    for slot in slots:
        value = values[slot]
        if isinstance(value, float):
            yield slot, value


def _most(plan: Plan, numbers: Mapping[int, float], wanted: float) -> int:
    """How often a number stands in the update of one parameter, at most."""
    return max(
        (
            sum(
                abs(numbers.get(slot, math.inf)) == abs(wanted)
                for kernel in update.kernels
                for slot in _slots(plan, kernel)
            )
            for update in plan.template.updates
        ),
        default=0,
    )


def _slots(plan: Plan, kernel: int) -> Iterator[int]:
    args = (argument.value for argument in plan.template.kernels[kernel].args)
    return (number.slot for number in numbers_in(*args))


def _start(name: str, value: float, parameters: Mapping[str, Parameter]) -> Start | None:
    """The place that a name means; None where it is no parameter's."""
    if name in parameters:
        return Start(name, None, value)
    if name.rpartition("[")[0].strip() not in parameters:
        return None
    place = find_scalar(name, {known: one.shape for known, one in parameters.items()})
    return Start(place.parameter, place.index, value)


def _unknown(name: str, constants: list[str], parameters: list[str]) -> SelectionError:
    msg = f"{name!r} is neither a constant of an optimizer nor a parameter."
    if not constants:
        few = ", ".join(parameters[:_SHOWN])
        hint = f"The recording names no optimizer, so only parameters can be set ({few})."
        return SelectionError(msg, hint=f"{hint} Else edit the script and record it again.")
    lowered = {one.lower(): one for one in [*parameters, *constants]}
    close = difflib.get_close_matches(name.partition("[")[0].lower(), lowered, 1)
    few = ", ".join([*constants, *parameters][:_SHOWN])
    meant = f"Did you mean {lowered[close[0]]}? " if close else ""
    return SelectionError(msg, hint=f"{meant}It has {few}.")
