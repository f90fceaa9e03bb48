"""Whose tape a step is executed by, and what it finds: everything from recorded facts.

The *donor* of a step gives the tape. A step that was recorded in full, or lean, is its own:
all that it read is known. A light step is executed by the tape of a step of the same structure.
Its parameters and ``.grad`` come from its own light row, what it was handed and the state of the
random generator from what was kept beside it, all else from the donor: recording compares full
steps, and leaves only such steps light that read from outside what the full ones between them
read. What a step changes and the next one finds (running statistics, an optimizer's momenta,
parameters of which a light row holds a digest) is *carried*: handed on from step to step.

NOTE 1 [Handed, and made on the tape]: a batch may itself be made on the tape: rows of a data
set, stacked. Which rows they were stands in constants that hold for the recorded step alone.
Kernels that serve for nothing but making what another step was handed are left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.execute import Situation
from autograd_lens.replay.plan import Call, Plan
from autograd_lens.replay.values import as_tensor, laid_out, matches
from autograd_lens.trace.cache import Recent
from autograd_lens.trace.reader import EncodedStep, Trace
from autograd_lens.trace.records import Parameter, TensorSpec
from autograd_lens.trace.rows import LightGraph, LightRow
from autograd_lens.trace.step import LightStep
from autograd_lens.trace.tape import TensorSlot, makers_of, numbers_in, tensors_in
from autograd_lens.trace.values import Entry, differ, item_size

__all__ = ["Carried", "Donor", "Donors", "Key"]

_RECENT = 32  # lean steps, as many as lie between two keyframes
_FAR = 64  # rows behind a step in which the next state of the generator is looked for

Key = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape of something that is carried."""


@dataclass(frozen=True)
class Donor:
    """A step whose tape is there.

    Attributes:
        step: Its number.
        encoded: The step as it was written.
        plan: Its tape.
        whole: Gives the bytes of a summary, where any step kept them.
    """

    step: int
    encoded: EncodedStep
    plan: Plan = field(repr=False)
    whole: Callable[[Entry], Entry] = field(repr=False)

    @property
    def slots(self) -> Sequence[Entry]:
        """What the tape's slots hold."""
        return self.encoded.slots

    @cached_property
    def unseen(self) -> frozenset[str]:
        """Parameters whose update was not seen: what their optimizer told makes its numbers."""
        kernels = self.plan.template.kernels
        return frozenset(
            one.parameter
            for one in self.plan.template.updates
            if any(
                self.slots[number.slot] is None
                for index in one.kernels
                for number in numbers_in(*(argument.value for argument in kernels[index].args))
            )
        )

    def tensor(self, number: int, slot: int | None = None) -> torch.Tensor | None:
        """The recorded value of a tensor that was there; None where it was not kept."""
        place = self.plan.outside.get(number) if slot is None else slot
        entry = None if place is None else self.whole(self.slots[place])
        return _recorded(entry, self.plan, number)

    @cached_property
    def altered(self) -> Mapping[int, Sequence[TensorSlot]]:
        """By kernel what it reads of tensors from outside that something else has changed since.

        No kernel did: ``p.data`` was assigned, or NumPy wrote into the memory.
        """
        plan, slots = self.plan, self.slots
        last: dict[int, Entry] = {}
        found: dict[int, list[TensorSlot]] = {}
        for call, reads, held in plan.readings:
            for place in reads:
                before, now = last.get(place.tensor), slots[place.slot]
                if differ(before, now):
                    found.setdefault(call.index, []).append(place)
                if place.tensor in held and now is not None:
                    last[place.tensor] = now
            if call.changes:
                touched = {plan.memory[number] for number in call.changes}
                last = {n: one for n, one in last.items() if plan.memory[n] not in touched}
                made = ((place.tensor, slots[place.slot]) for place in call.kernel.makes)
                last |= {number: one for number, one in made if number in call.changes}
        return found

    @cached_property
    def self_contained(self) -> bool:
        """Whether all that the step found when it began was kept whole, beside its light row."""
        lean = self.plan.template.lean
        return all(
            isinstance(self.whole(self.slots[slot]), bytes)
            for number, slot in self.plan.outside.items()
            if number not in self.plan.gradients
            if not (lean and self.plan.specs[number].role == "parameter")
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """What a step hands on to the next one.

    Attributes:
        step: The step that finds it.
        since: The step that it was carried from.
        tensors: Values by name, dtype and shape; unnamed ones are numbered.
    """

    step: int
    since: int
    tensors: Mapping[Key, torch.Tensor] = field(repr=False)

    def get(self, key: Key, recorded: Entry) -> torch.Tensor | None:
        """A copy of a value; None where it is not there, or not what was recorded."""
        found = self.tensors.get(key)
        if found is None or (recorded is not None and not matches(recorded, found)):
            return None
        return found.clone()


class Donors:
    """Finds the tapes of steps, and what they find when they begin.

    Args:
        trace: The trace.
        fresh: Gives the parameters whose optimizer makes its first update in a step: then it has
            no state yet.

    Attributes:
        left_out: What was differentiated in a step behind its training, where no tape tells how:
            the calls of ``torch.autograd.grad``.
    """

    def __init__(
        self, trace: Trace, fresh: Callable[[int], frozenset[str]] = lambda _step: frozenset()
    ) -> None:
        self.trace = trace
        self._fresh = fresh
        self.left_out: dict[int, Sequence[LightGraph]] = {}
        self._plans: dict[int, Plan] = {}
        self._donors: dict[int, Donor] = {}
        self._lean = Recent[int, Donor](_RECENT)
        self._starts: dict[int, bool] = {}
        self._makers: dict[tuple[int, frozenset[int]], frozenset[int]] = {}
        self._light: tuple[int, LightStep] | None = None
        self._outlines: dict[int, tuple[tuple[tuple[bool, ...], ...], int]] = {}

    # -- whose tape -----------------------------------------------------------------------

    @cached_property
    def own(self) -> frozenset[int]:
        """The steps that have a tape of their own: those recorded in full, and lean ones."""
        return frozenset((*self.trace.full_steps, *self.trace.lean_steps))

    def of(self, step: int) -> Iterator[Donor]:
        """The steps by whose tape a step may be executed, the likeliest first.

        Its own is all there is where it holds every value. A lean one lacks what a hook had from
        elsewhere, which another step's tape may have.

        Raises:
            ReplayError: There is none.
        """
        if step < self.trace.first_kept:
            raise ReplayError(_let_go(self.trace, step))
        if step in self.own:
            own = self._donor(step)
            yield own
            if not own.plan.template.lean:
                return
        alike = self._structures.get(self._structure(step), ()) or self._alike(step)
        if not alike and step in self.own:
            return
        if not alike:
            nodes = sum(graph.nodes for graph in self.light(step).graphs)
            runs = len(self._structure(step))
            what = f"a graph of {nodes} nodes" if runs == 1 else f"{runs} backwards, {nodes} nodes"
            msg = f"No other step like step {step} ({what}) was recorded in full."
            raise ReplayError(msg)
        seen: set[tuple[object, ...]] = set()
        cleared, handed = self._cleared(step), len(self.items(step))

        def distance(other: int) -> tuple[bool, bool, bool, int]:
            its_cleared, its_handed = self._outline(other)
            unlike = handed not in (0, its_handed)
            return its_cleared != cleared, unlike, other > step, abs(other - step)

        order = sorted(alike, key=distance)
        later = next((other for other in order if other > step), step)
        if order[0] < step < later:  # what the program holds may be that of either neighbour
            order.remove(later)
            order.insert(1, later)
        for other in order:
            donor = self._donor(other)
            constants = tuple(one for one in donor.slots if isinstance(one, int | float | complex))
            if (donor.encoded.number, *constants) not in seen:
                seen.add((donor.encoded.number, *constants))
                yield donor

    def _outline(self, full: int) -> tuple[tuple[tuple[bool, ...], ...], int]:
        """What tells full steps of one structure apart; there are few, and they are asked often."""
        if full not in self._outlines:
            self._outlines[full] = self._cleared(full), len(self.items(full))
        return self._outlines[full]

    def _cleared(self, step: int) -> tuple[tuple[bool, ...], ...]:
        """Which ``.grad`` each run of the engine finds None: it decides how they are written."""
        light = self.light(step)
        return tuple(
            tuple(row.grads_before[i] is None for i in graph.reached if i < len(row.grads_before))
            for row, graph in zip(light.rows, light.graphs, strict=True)
        )

    def _alike(self, step: int) -> Sequence[int]:
        """Full steps whose backwards were called on the same lines and reach the same leaves.

        The same program can make other nodes for the same mathematics while it is recorded in
        full (``reshape`` does); whether it did is for the proof to tell.
        """
        outline = self._reach(step)
        return [full for full in self.trace.full_steps if self._reach(full) == outline]

    def _reach(self, step: int) -> list[object]:
        return [(one.source, one.reached, one.roots) for one in self.light(step).graphs]

    def _donor(self, step: int) -> Donor:
        if (lean := self._lean.get(step)) is not None:
            return lean
        if step not in self._donors:
            encoded = self.trace.encoded(step)
            if encoded is None:
                msg = f"Step {step} was not recorded in full."
                raise ReplayError(msg)
            if encoded.number not in self._plans:
                self._plans[encoded.number] = Plan.of(encoded.template)
            donor = Donor(step, encoded, self._plans[encoded.number], self.trace.whole)
            if encoded.template.lean:  # there may be thousands, each for one step alone
                return self._lean.put(step, donor)
            self._donors[step] = donor
        return self._donors[step]

    @cached_property
    def _structures(self) -> Mapping[tuple[str, ...], Sequence[int]]:
        """The full steps of each structure."""
        found: dict[tuple[str, ...], list[int]] = {}
        for step in self.trace.full_steps:
            found.setdefault(self._structure(step), []).append(step)
        return found

    def _structure(self, step: int) -> tuple[str, ...]:
        return _fingerprints(self.light(step).graphs)

    # -- what is kept beside steps ----------------------------------------------------------

    def light(self, step: int) -> LightStep:
        """The rows of a step, those apart that nothing tells the kernels of (``left_out``)."""
        if self._light is None or self._light[0] != step:
            light = self.trace.light_step(step)
            if step not in self.own and len(light.graphs) > 1:
                light = self._without_last(step, light)
            self._light = step, light
        return self._light[1]

    def _without_last(self, step: int, light: LightStep) -> LightStep:
        """What trains in a step behind which gradients were asked for, as nowhere else.

        A saliency or a sharpness that is computed once, when the training is over, belongs to
        the last step, and nobody could know beforehand that it would.
        """
        prints = _fingerprints(light.graphs)
        count = len(prints)
        while prints[:count] not in self._structures:
            count -= 1
            if not count or light.graphs[count].kind != "grad":
                return light
        if count < len(prints):
            self.left_out[step] = light.graphs[count:]
        return replace(light, rows=light.rows[:count], graphs=light.graphs[:count])

    def _extras(self, step: int) -> Iterator[Mapping[str, Any]]:
        return map(self.trace.rows.extras, self.trace.rows.of_step(step))

    def items(self, step: int) -> list[Entry]:
        """What was kept of the tensors that a step was handed."""
        return [item for extra in self._extras(step) for item in extra.get("inputs") or ()]

    def random(self, step: int) -> bytes | None:
        """The state of the random generator with which a step began, where it drew numbers."""
        states = (extra.get("random") for extra in self._extras(step))
        return next((state for state in states if isinstance(state, bytes)), None)

    def random_behind(self, step: int) -> bytes | None:
        """Its state behind the step's first backward that drew; None where nothing tells it."""
        rows = self.trace.rows
        drew = (row for row in rows.of_step(step) if "random" in rows.extras(row))
        first = next(drew, len(rows))
        for row in range(first + 1, min(first + _FAR, len(rows))):
            state = rows.extras(row).get("random")
            if isinstance(state, bytes):
                return state
        return None

    # -- what a step finds ------------------------------------------------------------------

    def situation(
        self, step: int, donor: Donor, carried: Carried | None, *, updates: bool = False
    ) -> Situation:
        """What a step finds when it begins.

        Args:
            step: The step.
            donor: Whose tape it is executed by.
            carried: What the step before handed on.
            updates: Whether its updates alone are executed, from the gradients that were recorded.

        Raises:
            ReplayError: Something that it needs was not kept.
        """
        light, plan = self.light(step), donor.plan
        if len(light.rows) != len(plan.backwards):
            msg = f"Step {step} has {len(light.rows)} backwards in its rows, "
            raise ReplayError(msg + f"and {len(plan.backwards)} on the tape.")
        own = donor.step == step
        given = {} if own or updates else self._given(step, donor)
        held = _held(donor) if own else {}
        dropped = _forward(plan) if updates else self._makers_of(donor, given)
        if not own or plan.template.lean:
            dropped |= _settled(plan)
        dropped |= self.cut_off(step, donor)
        found = self._found(step, donor, carried, given.keys())
        dropped |= _idle(plan, plan.outside.keys() - found.keys() - given.keys())
        self._refuse_lost(step, donor, {*found, *given}, dropped)
        return Situation(
            found={**found, **given, **held},
            grads=self._grads(step, donor, carried),
            cleared=[
                frozenset(
                    known.name
                    for known, entry in zip(light.known, row.grads_before, strict=False)
                    if entry is None
                )
                for row in light.rows
            ],
            numbers=donor.slots,
            altered=_altered(donor) if own else {},
            given=[self._left(row, light.known) for row in light.rows] if updates else (),
            random=self.random(step),
            dropped=_unavailable(plan, dropped, {*found, *given, *held}, own=own),
            own=own,
            frozen=_frozen(light),
            reached=[
                frozenset(light.known[index].name for index in graph.reached)
                for graph in light.graphs
            ],
        )

    def _makers_of(self, donor: Donor, given: Mapping[int, torch.Tensor]) -> frozenset[int]:
        """The kernels that serve for nothing but making what is given (NOTE 1)."""
        if not given:
            return frozenset()
        key = donor.encoded.number, frozenset(given)
        if key not in self._makers:
            draws = {call.index for call in donor.plan.draws}
            self._makers[key] = makers_of(donor.plan.template, given, draws)
        return self._makers[key]

    def _left(self, row: LightRow, known: Sequence[Parameter]) -> dict[str, torch.Tensor | None]:
        """Every ``.grad`` behind a run of the engine.

        Raises:
            ReplayError: One was not kept whole.
        """
        found: dict[str, torch.Tensor | None] = {}
        for one, entry in zip(known, row.grads_after, strict=False):
            whole = self.trace.whole(entry)
            found[one.name] = as_tensor(whole, one.dtype, one.shape, one.device)
            if whole is not None and found[one.name] is None:
                msg = f"{one.name}.grad was too large to be kept whole."
                raise ReplayError(msg)
        return found

    def cut_off(self, step: int, donor: Donor) -> frozenset[int]:
        """The kernels of an update that did not come: the run was stopped before it."""
        stopped = self.trace.info.status == "stopped" and step == len(self.trace.steps) - 1
        if not stopped or donor.step == step:
            return frozenset()
        return frozenset(one.index for one in donor.plan.calls if one.kernel.phase == "update")

    def _given(self, step: int, donor: Donor) -> dict[int, torch.Tensor]:
        """The tensors that a light step was handed, by their ids on the tape."""
        items, handed = self.items(step), donor.plan.template.handed
        if not items or not handed:
            return {}
        found: dict[int, torch.Tensor] = {}
        lost: list[str] = []
        # What stands before them was handed to modules since the last step: by a validation. And
        # a loader that fetches one batch ahead has none to hand on at the end of an epoch.
        count = min(len(items), len(handed))
        there = handed[-count:]
        for number, item in zip(there, _in_order(items[-count:], there, donor.plan), strict=True):
            if number is None or number in donor.plan.leaves:
                continue
            shape = _batch_shape(item, donor.plan.specs[number])
            value = _recorded(item, donor.plan, number, shape) if shape is not None else None
            if value is None:
                lost.append(donor.plan.describe(number))
            else:
                found[number] = value
        if lost:
            msg = f"The inputs of step {step} were not kept: {', '.join(lost)}."
            raise ReplayError(msg)
        return found

    def _found(
        self,
        step: int,
        donor: Donor,
        carried: Carried | None,
        given: Collection[int],
    ) -> dict[int, torch.Tensor]:
        """All that is there when the step begins, but what it was handed and ``.grad``."""
        plan, own = donor.plan, donor.step == step
        found: dict[int, torch.Tensor] = {}
        for number, slot in plan.outside.items():
            if number in given or number in plan.gradients:
                continue
            spec = plan.specs[number]
            alias = plan.template.tensors[number].alias
            same = plan.parameters.get(spec.name) if spec.role == "parameter" else None
            if alias in found:
                found[number] = _other_object(found[alias])
                continue
            if same is not None and same != number and same in found:
                found[number] = found[same]
                continue
            row = self._row_entry(step, spec)
            by_row = spec.role == "parameter" and plan.template.lean
            value = donor.tensor(number) if own and not by_row else None
            if value is None and spec.role == "parameter":
                value = _recorded(self.trace.whole(row), plan, number)
            if value is None and carried is not None:
                key = plan.state_keys.get(number, (spec.name, spec.dtype, spec.shape))
                recorded = donor.slots[slot] if own else row
                value = carried.get(key, recorded)
                value = value if value is None else _laid_out(value, plan, number)
            if value is None and not own and spec.role != "parameter":
                value = donor.tensor(number)
                if value is not None and self._begins(step, spec):
                    value = torch.zeros_like(value)
            if value is not None:
                found[number] = value
        return found

    def _begins(self, step: int, spec: TensorSpec) -> bool:
        """Whether a tensor is the state of an optimizer that has none before a step."""
        return spec.role == "state" and spec.name.rpartition(".")[0] in self._fresh(step)

    def _refuse_lost(
        self, step: int, donor: Donor, there: Collection[int], dropped: Collection[int]
    ) -> None:
        """Raise where the value of a parameter that something reads is not known."""
        plan = donor.plan
        for name, number in plan.parameters.items():
            readers = (call.index for call in plan.calls if number in call.reads)
            if number not in there and not all(one in dropped for one in readers):
                spec = plan.specs[number]
                if self._row_entry(step, spec) is None:
                    msg = f"{name} is sparse or else has no dense values that can be kept."
                    raise ReplayError(msg)
                msg = f"{name} was too large to be kept whole at step {step}."
                raise ReplayError(msg)

    def _row_entry(self, step: int, spec: TensorSpec) -> Entry:
        """What the first row of the step that knows a parameter holds of it.

        One that is made in the step, as a copy of a model is, is met by a later backward.
        """
        light = self.light(step)
        names = [known.name for known in light.known]
        if spec.role != "parameter" or spec.name not in names:
            return None
        index = names.index(spec.name)
        held = (row.values[index] for row in light.rows if index < len(row.values))
        return next((value for value in held if value is not None), None)

    def _grads(self, step: int, donor: Donor, carried: Carried | None) -> dict[int, torch.Tensor]:
        """``.grad`` when the tape begins, by the id of its parameter, or of itself without one.

        Where the tape clears one before the first run of the engine, it is what the last run
        left.
        """
        light, plan = self.light(step), donor.plan
        first = min((backward.position for backward in plan.backwards), default=0)
        early = {
            plan.specs[tensor].name.removesuffix(".grad")
            for call in plan.calls[:first]
            for tensor in call.reads
            if plan.specs[tensor].role == "gradient"
        }
        own = plan.gradients if donor.step == step else ()
        read = {plan.specs[n].name.removesuffix(".grad"): n for n in own}
        place = self.trace.rows.of_step(step).start
        before = self.trace.rows.row(place - 1) if early and place else None
        owners = {name: number for number, name in plan.leaves.items() if name}
        owners |= {n: i for n, i in plan.parameters.items() if n not in owners}
        # Of a parameter that the step does not use its .grad may be read: it stands for itself.
        alone = {plan.specs[number].name.removesuffix(".grad"): number for number in plan.gradients}
        owners = {**alone, **owners}
        found: dict[int, torch.Tensor] = {}
        for index, known in enumerate(light.known):
            if known.name not in owners:
                continue
            entries = light.rows[0].grads_before
            if before is not None and known.name in early:
                entries = before.grads_after
            entry = self.trace.whole(entries[index]) if index < len(entries) else None
            if known.name in early and known.name in read:
                # What the last run left may have been changed since, as clipping does.
                entry = donor.slots[plan.outside[read[known.name]]] or entry
            value = as_tensor(entry, known.dtype, known.shape, known.device)
            if value is None and entry is not None:
                key = (f"{known.name}.grad", known.dtype, known.shape)
                value = carried.get(key, entry) if carried is not None else None
                if value is None:
                    msg = f"{known.name}.grad was too large to be kept whole before step {step}."
                    raise ReplayError(msg)
            if value is not None:
                found[owners[known.name]] = value
        return found

    # -- carrying -----------------------------------------------------------------------------

    def needs_carried(self, step: int, donor: Donor) -> bool:
        """Whether a step finds something that only the steps before it can tell."""
        light = self.light(step)
        if not light.rows:
            msg = f"No loss or gradient of step {step} was recorded to compare a replay with."
            raise ReplayError(msg)
        row, plan = light.rows[0], donor.plan
        reached = {name for name in plan.leaves.values() if name}
        grads = (
            entry
            for known, entry in zip(light.known, row.grads_before, strict=False)
            if known.name in reached
        )
        large = any(not isinstance(self.trace.whole(one) or b"", bytes) for one in grads)
        if donor.step == step:
            needed = large or not donor.self_contained
            if not plan.template.lean:
                return needed
        else:
            old = (n for n in plan.state if not self._begins(step, plan.specs[n]))
            needed = large or any(True for _ in old)
        used = [self._row_entry(step, plan.specs[number]) for number in plan.parameters.values()]
        whole = [self.trace.whole(entry) for entry in used if entry is not None]
        return needed or any(not isinstance(entry, bytes) for entry in whole)

    def starts(self, step: int) -> bool:
        """Whether all that a step found was kept whole, so that carrying can begin there."""
        if step not in self._starts:
            own = step in self.own
            self._starts[step] = own and not self.needs_carried(step, self._donor(step))
        return self._starts[step]

    # -- what is not known ----------------------------------------------------------------------

    def varying(self, donor: Donor, step: int) -> list[str]:
        """What the donor's forward reads that other full steps of its structure read otherwise.

        In the light step between them it was another, too, and it was not kept.
        """
        given = self._given(step, donor).keys()
        alike = self._structures.get(self._structure(donor.step), ())
        others = [self._donor(other) for other in alike if other != donor.step]
        plan = donor.plan
        found = [
            plan.describe(number)
            for number, slot in plan.outside.items()
            if plan.specs[number].role == "input" and number not in given
            if number not in plan.state
            if any(_unlike(donor.slots[slot], other, number, plan) for other in others)
        ]
        numbers = [donor.slots[slot] for slot in plan.numbers_of("forward")]
        for other in others:
            theirs = [other.slots[slot] for slot in other.plan.numbers_of("forward")]
            if theirs != numbers:
                return [*found, "a number that the forward computes with"]
        return found


def _let_go(trace: Trace, step: int) -> str:
    last = trace.window.steps if trace.window is not None else 0
    return (
        f"Step {step} is older than what --last {last:,} keeps: of steps before "
        f"{trace.first_kept:,} there is the loss alone."
    )


def _unlike(entry: Entry, other: Donor, number: int, plan: Plan) -> bool:
    if other.plan is not plan:
        return False
    theirs = other.slots[plan.outside[number]]
    return str(theirs) != str(entry)


def _recorded(
    entry: Entry, plan: Plan, number: int, shape: tuple[int, ...] | None = None
) -> torch.Tensor | None:
    """A tensor as the program had it, or of the shape of another batch."""
    spec = plan.specs[number]
    value = as_tensor(entry, spec.dtype, shape or spec.shape, spec.device)
    if value is None or tuple(value.shape) != spec.shape:
        return value
    return _laid_out(value, plan, number)


def _fingerprints(graphs: Sequence[LightGraph]) -> tuple[str, ...]:
    return tuple(graph.fingerprint for graph in graphs)


def _laid_out(value: torch.Tensor, plan: Plan, number: int) -> torch.Tensor:
    return laid_out(value, plan.template.tensors[number].strides)


def _other_object(tensor: torch.Tensor) -> torch.Tensor:
    """Another tensor on the same memory, as two parameters may be."""
    other = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    size, strides = tensor.size(), tensor.stride()
    return other.set_(tensor.untyped_storage(), tensor.storage_offset(), size, strides)


def _frozen(light: LightStep) -> frozenset[str]:
    """The parameters that no run of the engine reaches; one within another leaves ``.grad``."""
    reached = {index for graph in light.graphs for index in graph.reached}
    for row in light.rows:
        pairs = zip_longest(row.grads_before[: len(row.grads_after)], row.grads_after)
        reached |= {i for i, (before, after) in enumerate(pairs) if after not in (None, before)}
    return frozenset(one.name for i, one in enumerate(light.known) if i not in reached)


def _in_order(items: list[Entry], handed: Sequence[int | None], plan: Plan) -> list[Entry]:
    """What a step was handed, in the order in which another one was.

    A loader's batch counts where a module was given it, once that module is known. So in the first
    step of a model the order may be another; the sizes tell which is which where all differ.
    """
    wanted = [None if number is None else _size(plan.specs[number]) for number in handed]
    sizes = [len(item) if isinstance(item, bytes) else None for item in items]
    if sizes == wanted or len({*sizes}) < len(sizes) or {*sizes} != {*wanted}:
        return items
    return [items[sizes.index(size)] for size in wanted]


def _size(spec: TensorSpec) -> int:
    return (item_size(spec.dtype) or 0) * math.prod(spec.shape)


def _batch_shape(entry: Entry, spec: TensorSpec) -> tuple[int, ...] | None:
    """The shape of an input: the recorded one, or that of a batch of another size."""
    if not isinstance(entry, bytes) or not spec.shape:
        return spec.shape
    row = (item_size(spec.dtype) or 0) * math.prod(spec.shape[1:])
    return (len(entry) // row, *spec.shape[1:]) if row and len(entry) % row == 0 else None


def _altered(donor: Donor) -> dict[int, list[tuple[int, torch.Tensor]]]:
    """What a full step found changed by no kernel: by the kernel that read it first, id and value.

    Raises:
        ReplayError: Such a value was not kept whole.
    """
    found: dict[int, list[tuple[int, torch.Tensor]]] = {}
    for index, places in donor.altered.items():
        for place in places:
            value = donor.tensor(place.tensor, place.slot)
            if value is None:
                name = donor.plan.describe(place.tensor)
                msg = f"Something that is no kernel changed {name}, and it was not kept whole."
                raise ReplayError(msg)
            found.setdefault(index, []).append((place.tensor, value))
    return found


def _held(donor: Donor) -> dict[int, torch.Tensor]:
    """Of a full step the recorded results of kernels that cannot be executed."""
    found: dict[int, torch.Tensor] = {}
    for call in donor.plan.calls:
        if call.obstacle and not call.engine and not call.changes:
            for place in call.kernel.makes:
                value = donor.tensor(place.tensor, place.slot)
                if value is not None:
                    found[place.tensor] = value
    return found


def _forward(plan: Plan) -> frozenset[int]:
    """The kernels that no update consists of."""
    return frozenset(call.index for call in plan.calls if call.kernel.phase != "update")


def _settled(plan: Plan) -> frozenset[int]:
    """What changed a parameter before the first backward: a row holds it as that one found it."""
    first = min((backward.position for backward in plan.backwards), default=0)
    memory = {plan.memory[number] for number in plan.parameters.values()}
    return frozenset(
        call.index
        for call in plan.calls[:first]
        if not (call.engine or call.kernel.makes_node or call.kernel.node is not None)
        and any(plan.memory[number] in memory for number in call.changes)
    )


def _idle(plan: Plan, missing: Collection[int]) -> frozenset[int]:
    """The kernels that need what is missing, where nothing needs them: a norm that is printed."""
    lost = {number for number in missing if plan.specs[number].role != "gradient"}
    gone = {number for number in lost if plan.specs[number].role == "parameter"}
    found: list[Call] = []
    for call in plan.calls if lost else ():
        if not (call.engine or lost.isdisjoint(call.reads)):
            found.append(call)
            lost.update(call.makes)
    runs = (tensors_in(*one.roots, *one.gradients, *one.inputs) for one in plan.backwards)
    wanted = {use.tensor for uses in runs for use in uses}
    wanted |= {*plan.ends.values(), *plan.state, *(n for n, _ in plan.named_gradients)}
    wanted -= gone
    if found and {call.index for call in plan.needed(wanted, plan.calls)}.isdisjoint(
        call.index for call in found
    ):
        return frozenset(call.index for call in found)
    return frozenset()


def _unavailable(
    plan: Plan, dropped: frozenset[int], there: Collection[int], *, own: bool
) -> frozenset[int]:
    """Kernels that cannot be executed: those dropped, those with an obstacle, and what follows."""
    lost: set[int] = set()
    found = set(dropped)
    for call in plan.calls:
        if call.engine:
            continue
        hindered = call.obstacle or (call.private and not own)
        if call.index in dropped or hindered or lost.intersection(call.reads):
            found.add(call.index)
            lost.update(set(call.makes).difference(there))
    return frozenset(found)
