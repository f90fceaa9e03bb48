"""Where everything comes from that a step is replayed with.

The *donor* of a step is a step of the same structure that was recorded in full; it gives the
tape. Parameters and ``.grad`` come from the step's own light row, batches and the random state
from what capture kept beside it, all else from the donor. What a step changes and the next one
finds (running statistics, an optimizer's momenta) is *carried*: handed on from replay to replay,
from the last step that was recorded in full.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.certainty import draws_of, unknowns
from autograd_lens.replay.donors import Donor, Donors, as_recorded, as_tensor
from autograd_lens.replay.inputs import (
    Given,
    ends_alike,
    guess_given,
    seed_kernels,
    unavailable,
    without_makers,
)
from autograd_lens.replay.instructions import Spec
from autograd_lens.replay.program import Program
from autograd_lens.replay.situation import Situation
from autograd_lens.replay.values import Entry
from autograd_lens.trace.step import LightStep
from autograd_lens.trace.values import item_size

__all__ = ["Carried", "Donor", "Sources", "state_keys"]

Key = tuple[str, str, tuple[int, ...]]


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


class Sources(Donors):
    """Finds what the steps of a trace are replayed with."""

    @cached_property
    def _shared(self) -> dict[str, str]:
        """Name of each parameter that stands on the memory of another one -> that one's name."""
        kept = self._trace.extra("shared")
        found = json.loads(kept) if kept is not None else {}
        return found if isinstance(found, dict) else {}

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
            value = as_recorded(self._trace.whole(entry), spec)
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
        for name, owner in self._shared.items():
            if name in found and owner in found:
                found[name] = found[owner].detach()  # another tensor on the same memory
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
            value = as_tensor(whole, parameter.dtype, parameter.shape, parameter.device)
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
            value = as_recorded(items[one.item], spec, shape) if shape else None
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
