"""Where everything comes from that a step is replayed with.

The *donor* of a step is a step of the same structure that was recorded in full; it gives the
tape. Parameters and ``.grad`` come from the step's own light row, batches and the random state
from what capture kept beside it, all else from the donor. What a step changes and the next one
finds (running statistics, an optimizer's momenta) is *carried*: handed on from replay to replay,
from the last step that was recorded in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.certainty import draws_of, unknowns
from autograd_lens.replay.inputs import (
    Given,
    ends_alike,
    find_given,
    guess_given,
    seed_kernels,
    unavailable,
    without_makers,
)
from autograd_lens.replay.instructions import Spec
from autograd_lens.replay.program import Program
from autograd_lens.replay.situation import Situation
from autograd_lens.replay.values import Entry, laid_out, to_tensor
from autograd_lens.trace.lightstep import LightStep
from autograd_lens.trace.reader import EncodedStep, Trace
from autograd_lens.trace.typed import item_size
from autograd_lens.trace.values import Summary, Value

__all__ = ["Carried", "Donor", "Sources", "state_keys"]

Key = tuple[str, str, tuple[int, ...]]


@dataclass(frozen=True)
class Donor:
    """A step that was recorded in full.

    Attributes:
        step: Its number.
        encoded: The step as it was written.
        program: Its tape.
        items: What capture kept beside it.
        whole: Gives the bytes of a summary, where any step kept them.
    """

    step: int
    encoded: EncodedStep
    program: Program
    items: Sequence[Entry]
    whole: Callable[[Entry], Entry] = field(repr=False)

    @property
    def slots(self) -> Sequence[Entry]:
        """What the tape's slots hold."""
        return self.encoded.slots

    @cached_property
    def given(self) -> Sequence[Given]:
        """The tensors on the tape that are its items."""
        return find_given(self.program, self.encoded.slots, self.items)

    def tensor(self, number: int, slot: int) -> torch.Tensor | None:
        """The recorded value of a tensor; None where it was not kept."""
        entry, spec = self.whole(self.encoded.slots[slot]), self.program.specs[number]
        return _laid_out(entry, spec)

    @cached_property
    def self_contained(self) -> bool:
        """Whether all that the step found when it began was kept whole."""
        found = (
            self.whole(self.encoded.slots[slot])
            for number, slot in self.program.outside.items()
            if self.program.specs[number].role != "gradient"
        )
        return not any(isinstance(entry, Summary) for entry in found)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a step hands on to the next one.

    Attributes:
        step: The step that finds it.
        since: The step recorded in full that it was carried from.
        tensors: Values by name, dtype and shape; unnamed ones are numbered.
    """

    step: int
    since: int
    tensors: Mapping[Key, torch.Tensor] = field(repr=False)


class Sources:
    """Finds what the steps of a trace are replayed with.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._programs: dict[int, Program] = {}
        self._donors: dict[int, Donor] = {}
        self._outlines: dict[int, tuple[Any, int]] = {}

    # -- donors -------------------------------------------------------------------------

    def donor(self, step: int) -> Donor:
        """The step whose tape is used for a step: itself where it was recorded in full.

        Raises:
            ReplayError: No step of its structure was recorded in full.
        """
        if step in self.full:
            return self._donor(step)
        candidates = self._structures.get(self._structure(step), ()) or self._alike(step)
        if not candidates:
            fingerprint = ", ".join(self._structure(step)) or "without backward"
            msg = f"No step with the graph of step {step} ({fingerprint}) was recorded in full."
            raise ReplayError(msg)
        cleared, handed = self._outline(step)

        def fitness(other: int) -> tuple[bool, bool, bool, int]:
            its_cleared, its_handed = self._outlines[other]
            unlike = its_cleared != cleared
            return unlike, handed not in (0, its_handed), other > step, abs(other - step)

        return self._donor(min(candidates, key=fitness))

    def _outline(self, step: int) -> tuple[Any, int]:
        """What makes steps of one structure run other kernels: see ``_cleared``, and inputs."""
        return self._cleared(step), len(self.items(step))

    def _donor(self, step: int) -> Donor:
        if step not in self._donors:
            encoded = self._trace.encoded(step)
            if encoded is None:
                msg = f"Step {step} was not recorded in full."
                raise ReplayError(msg)
            program = self._programs.get(encoded.number)
            if program is None:
                program = self._programs[encoded.number] = Program.of(encoded.template)
            whole = self._trace.whole
            self._donors[step] = Donor(step, encoded, program, self.items(step), whole)
        return self._donors[step]

    @cached_property
    def full(self) -> frozenset[int]:
        """The steps recorded in full."""
        return frozenset(self._trace.full_steps)

    @cached_property
    def _structures(self) -> Mapping[tuple[str, ...], Sequence[int]]:
        """The full steps of each structure."""
        found: dict[tuple[str, ...], list[int]] = {}
        for step in self._trace.full_steps:
            found.setdefault(self._structure(step), []).append(step)
            self._outlines[step] = self._outline(step)
        return found

    def is_guess(self, donor: Donor, step: int) -> bool:
        """Whether it is not known that a donor has the structure of a step."""
        return self._structure(donor.step) != self._structure(step)

    def _alike(self, step: int) -> Sequence[int]:
        """Full steps whose backwards were called on the same lines and reach the same leaves.

        The same program can make other nodes for the same mathematics while it is recorded in
        full (``reshape`` does); whether it did is for the proof to tell.
        """
        outline = self._reach(step)
        return [full for full in self._trace.full_steps if self._reach(full) == outline]

    def _reach(self, step: int) -> list[Any]:
        return [(one.source, one.reached, one.roots) for one in self.light(step).graphs]

    def _structure(self, step: int) -> tuple[str, ...]:
        return tuple(graph.fingerprint for graph in self.light(step).graphs)

    def _cleared(self, step: int) -> tuple[tuple[bool, ...], ...]:
        """Which ``.grad`` are None before each engine run: it decides which kernels write them."""
        return tuple(
            tuple(row.grads_before[i] is None for i in graph.reached if i < len(row.grads_before))
            for row, graph in zip(self.light(step).rows, self.light(step).graphs, strict=True)
        )

    def light(self, step: int) -> LightStep:
        """The rows of a step."""
        return self._trace.light_step(step)

    def _extras(self, step: int) -> list[Mapping[str, Any]]:
        return [self._trace.rows.extras(row) for row in self._trace.rows.of_step(step)]

    def items(self, step: int) -> list[Entry]:
        """What capture kept of the tensors that a step was handed."""
        return [item for extra in self._extras(step) for item in extra.get("inputs") or ()]

    def starts(self, step: int) -> bool:
        """Whether a step was recorded in full, and all that it found was kept whole."""
        return step in self.full and self._donor(step).self_contained

    def random(self, step: int) -> bytes | None:
        """The state of the random generator before a step's forward, where it drew numbers."""
        states = (extra.get("random") for extra in self._extras(step))
        return next((state for state in states if isinstance(state, bytes)), None)

    # -- situations ---------------------------------------------------------------------

    def situation(
        self,
        step: int,
        donor: Donor,
        carried: Carried | None,
        seeds: int | None = None,
        *,
        substitute: bool = True,
    ) -> Situation:
        """What a step finds when it begins.

        Args:
            step: The step.
            donor: Where its tape comes from.
            carried: What the step before it handed on.
            seeds: How many seeds a data loader drew first; None where it is as on the tape.
            substitute: Whether tensors that the step was handed take the place of the donor's.

        Raises:
            ReplayError: Something that it needs was not kept.
        """
        light = self.light(step)
        if len(light.rows) != len(donor.program.backwards):
            msg = f"Step {step} has {len(light.rows)} backwards in its rows, "
            raise ReplayError(msg + f"and {len(donor.program.backwards)} on the tape.")
        given: Sequence[Given] = ()
        if substitute and (donor.step != step or not donor.self_contained):
            given = self._given(step, donor)
        dropped = without_makers(donor.program, given)
        if seeds is not None:
            dropped |= seed_kernels(donor.program)
        return Situation(
            parameters=self._parameters(light, donor, carried),
            grads=self._grads(step, light, donor.program),
            cleared=self._cleared_names(light),
            outside=self._outside(step, donor, given, carried),
            numbers=donor.encoded.slots,
            random=self.random(step),
            dropped=unavailable(donor.program, dropped, given),
            seeds=seeds or 0,
        )

    def _given(self, step: int, donor: Donor) -> Sequence[Given]:
        items = self.items(step)
        skipped = len(items) - len(donor.items)
        if donor.items and (skipped == 0 or ends_alike(items, donor.items)):
            return [replace(one, item=one.item + skipped) for one in donor.given]
        return guess_given(donor.program, donor.encoded.slots, items)

    def _parameters(
        self, light: LightStep, donor: Donor, carried: Carried | None
    ) -> dict[str, torch.Tensor]:
        program, row = donor.program, light.rows[0]
        known = {parameter.name: index for index, parameter in enumerate(light.known)}
        own = donor.step == row.step
        found = {}
        for number, slot in program.outside.items():
            spec = program.specs[number]
            if spec.role != "parameter" or spec.name in found or spec.name not in known:
                continue
            entry = row.values[known[spec.name]] if known[spec.name] < len(row.values) else None
            value = _laid_out(self._trace.whole(entry), spec)
            if value is None and own:
                value = donor.tensor(number, slot)
            if value is None and carried is not None:
                value = carried.tensors.get((spec.name, spec.dtype, spec.shape))
                value = value.clone() if value is not None else None
            if value is None:
                msg = f"Of {spec.name} only a summary was kept at step {row.step}."
                if entry is None:
                    msg = f"{spec.name} is sparse or else has no dense values that can be kept."
                raise ReplayError(msg)
            found[spec.name] = value
        return found

    def _grads(
        self, step: int, light: LightStep, program: Program
    ) -> dict[str, torch.Tensor | None]:
        """``.grad`` when the tape begins: what the last engine run left, where it is cleared."""
        early = self._cleared_early(program)
        place = self._trace.rows.of_step(step).start
        before = self._trace.rows.row(place - 1) if early and place else None
        found: dict[str, torch.Tensor | None] = {}
        for index, parameter in enumerate(light.known):
            entries = light.rows[0].grads_before
            if before is not None and parameter.name in early:
                entries = before.grads_after
            entry = entries[index] if index < len(entries) else None
            whole = self._trace.whole(entry)
            value = _tensor(whole, parameter.dtype, parameter.shape, parameter.device)
            if value is None and entry is not None:
                value = torch.zeros(parameter.shape)  # only a summary; the check will tell
                value = value.to(getattr(torch, parameter.dtype))
            found[parameter.name] = value
        return found

    @staticmethod
    def _cleared_early(program: Program) -> frozenset[str]:
        """Parameters whose ``.grad`` the tape clears before its first backward."""
        first = min(program.starts, default=0)
        names = (
            program.specs[tensor].name.removesuffix(".grad")
            for one in program.instructions[:first]
            for tensor in one.reads
            if program.specs[tensor].role == "gradient"
        )
        return frozenset(names)

    @staticmethod
    def _cleared_names(light: LightStep) -> list[frozenset[str]]:
        return [
            frozenset(
                parameter.name
                for parameter, entry in zip(light.known, row.grads_before, strict=False)
                if entry is None
            )
            for row in light.rows
        ]

    def _outside(
        self, step: int, donor: Donor, given: Sequence[Given], carried: Carried | None
    ) -> dict[int, torch.Tensor]:
        program, items = donor.program, self.items(step)
        keys = state_keys(program)
        found: dict[int, torch.Tensor] = {}
        for number, slot in program.outside.items():
            if program.specs[number].role in ("parameter", "gradient"):
                continue
            value = donor.tensor(number, slot) if donor.step == step else None
            if value is None and carried is not None and number in keys:
                value = carried.tensors.get(keys[number])
                value = value.clone() if value is not None else None
            value = donor.tensor(number, slot) if value is None else value
            if value is not None:
                found[number] = value
        for one in given:
            spec = program.specs[one.tensor]
            shape = _batch_shape(items[one.item], spec)
            value = _laid_out(items[one.item], spec, shape) if shape else None
            if value is None:
                what = spec.name or f"of shape {spec.shape}"
                msg = f"The input {what} of step {step} has another size than any recorded in full."
                raise ReplayError(msg)
            found[one.tensor] = value
        return found

    def update_varies(self, donor: Donor, step: int) -> bool:
        """Whether the constants of the update are known to differ from step to step."""
        if donor.step == step:
            return False
        own = donor.program.update_ops
        others = map(self._donor, self._structures.get(self._structure(donor.step), ()))
        numbers = {
            tuple(other.encoded.slots[slot] for slot in other.program.update_numbers)
            for other in others
            if other.program.update_ops == own
        }
        return len(numbers) > 1 or bool(donor.program.state)

    def changing_inputs(self, donor: Donor, step: int) -> list[str]:
        """Inputs of the forward that change from step to step and were not kept for this one."""
        items = self.items(step)
        handed = next((one for one in (donor, *self.others(donor)) if one.given), donor)
        if handed.given and len(items) < len(handed.items):  # the budget did not reach so far
            return [handed.program.describe(one.tensor) for one in handed.given]
        if items and len(items) != len(donor.items) and not ends_alike(items, donor.items):
            return [f"which of the {len(items)} tensors it was handed is which"]
        known = {one.tensor for one in self._given(step, donor)}
        found = unknowns(donor, self.others(donor), known)
        skipped = len(items) != len(donor.items)
        if not found and (skipped or self._draws_vary(donor)) and draws_of(donor.program):
            found = ["how many random numbers were drawn before it"]
        return found

    def _draws_vary(self, donor: Donor) -> bool:
        """Whether steps of a structure draw unlike numbers; the first may begin with others."""
        others = [other for other in self.others(donor) if other.step]
        return len({tuple(draws_of(one.program)) for one in (donor, *others)}) > 1

    def orders(self, donor: Donor) -> list[int]:
        """Tensors from outside that hold an order of the data, as ``torch.randperm`` draws it."""
        found = []
        for number, slot in donor.program.outside.items():
            spec, entry = donor.program.specs[number], donor.slots[slot]
            if spec.role == "input" and spec.dtype == "int64" and len(spec.shape) == 1:
                order = np.frombuffer(entry, np.int64) if isinstance(entry, bytes) else None
                if order is not None and np.array_equal(np.sort(order), np.arange(*spec.shape)):
                    found.append(number)
        return found

    def others(self, donor: Donor) -> list[Donor]:
        """The other full steps of a donor's structure, nearest first."""
        there = self._structures.get(self._structure(donor.step), ())
        near = sorted(there, key=lambda step: abs(step - donor.step))
        return [self._donor(step) for step in near if step != donor.step]


def state_keys(program: Program) -> dict[int, Key]:
    """What a program changes and the next step finds: id -> a name that all programs share.

    The first step of an optimizer does not find its state: it makes it.
    """
    keys: dict[int, Key] = {}
    unnamed = 0
    made = [n for n, spec in enumerate(program.specs) if spec.role == "state" and spec.name]
    for number in dict.fromkeys((*program.state, *made)):
        spec = program.specs[number]
        unnamed += not spec.name
        keys[number] = (spec.name or f"#{unnamed}", spec.dtype, spec.shape)
    return keys


def _batch_shape(entry: Entry, spec: Spec) -> tuple[int, ...] | None:
    """The shape of an input: the recorded one, or that of a batch of another size."""
    if not isinstance(entry, bytes) or not spec.shape:
        return spec.shape
    row = (item_size(spec.dtype) or 0) * math.prod(spec.shape[1:])
    return (len(entry) // row, *spec.shape[1:]) if row and len(entry) % row == 0 else None


def _laid_out(
    entry: Entry, spec: Spec, shape: tuple[int, ...] | None = None
) -> torch.Tensor | None:
    """A tensor as the program had it, or of the shape of another batch."""
    value = _tensor(entry, spec.dtype, shape or spec.shape, spec.device)
    same = value is not None and tuple(value.shape) == spec.shape
    return laid_out(value, spec.strides) if value is not None and same else value


def _tensor(entry: Entry, dtype: str, shape: tuple[int, ...], device: str) -> torch.Tensor | None:
    if not isinstance(entry, bytes):
        return None
    try:
        return to_tensor(Value(dtype, shape, entry), device).clone()
    except ReplayError:
        return None
