"""Replaying a step until its proof succeeds.

NOTE 1 [Guess, then prove]: a light step does not hold everything. Whether its epoch began with
it (a data loader draws seeds then, which moves the random generator on) and with which numbers
its optimizer multiplied are not written down. There are few possibilities, and loss, gradients
and parameters tell bit for bit which of them it was. So they are tried, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograd_lens.errors import ReplayError
from autograd_lens.replay.check import Check
from autograd_lens.replay.described import DescribedOptimizers
from autograd_lens.replay.execution import Execution
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.situation import Situation
from autograd_lens.replay.sources import Carried, Donor, Sources, state_keys
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Summary

__all__ = ["Attempt", "Attempts", "OnWay"]

OnWay = Callable[[int | None, int], None]
"""Takes a step that is replayed, None behind the last, and the one that was asked for."""

_TAPES = 6  # of one structure, with other constants, that are tried
_SEEDS = (0, 2, 1, 3)  # what a data loader draws at the beginning of an epoch, and what it might


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a step's tape, compared with its light rows.

    Attributes:
        donor: Where the tape comes from.
        execution: The execution.
        check: What differs.
        plan: How it was executed.
    """

    donor: Donor
    execution: Execution
    check: Check
    plan: _Plan

    @property
    def proved(self) -> bool:
        """Whether loss and gradients are those that were recorded."""
        return not self.check.outputs

    @property
    def complete(self) -> bool:
        """Whether the updates are, too."""
        return self.proved and not self.check.updates


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a step is to be executed.

    Attributes:
        step: The step.
        donor: Where its tape comes from.
        carried: What the step before it handed on.
        observe: Whether the template's slots are to be filled.
        seeds: How many seeds a data loader drew first; None where it is as on the tape.
        shuffled: Id of an order of the data that was drawn first, if one was.
        redraw: Whether random kernels draw again; else they give what was recorded.
        substitute: Whether tensors that the step was handed take the place of the donor's.
        handed: How many these are.
        all_grad: Whether kernels of which no node is known run under autograd, too.
    """

    step: int
    donor: Donor
    carried: Carried | None
    observe: bool
    handed: int
    seeds: int | None = None
    shuffled: int | None = None
    redraw: bool = True
    substitute: bool = True
    all_grad: bool = False


class Attempts:
    """Replays steps, and hands on from each to the next what the next one finds.

    Args:
        trace: The trace.
        sources: Where everything comes from.

    Attributes:
        on_way: Called with a step that is replayed, and with the one it is replayed for.
    """

    def __init__(self, trace: Trace, sources: Sources) -> None:
        self.on_way: OnWay = _silent
        self._trace = trace
        self._sources = sources
        self._optimizers = DescribedOptimizers(trace)
        self._carried: Carried | None = None
        self._by_optimizer: set[int] = set()  # templates whose updates need their optimizer

    def best(self, step: int, *, observe: bool) -> Attempt:
        """The first attempt that is proved, or else the plainest.

        Args:
            step: The step.
            observe: Whether the template's slots are to be filled.

        Raises:
            ReplayError: The step cannot be executed at all.
        """
        donor = self._sources.donor(step)
        handed = len(self._sources.items(step))
        plan = _Plan(step, donor, self.carried_to(step, donor), observe, handed)
        if self._sources.random(step) is None:  # drawing from any other state tells nothing
            plan = replace(plan, redraw=False)
        best = self._first(plan)
        for other in self._others(plan, best):
            try:
                attempt = self._first(other)
            except ReplayError:
                continue  # the plainest attempt can be executed, and tells what differs
            if attempt.proved:
                best = attempt
                break
        self._hand_on(step, best)
        return best

    def found(self, step: int) -> tuple[Donor, Situation]:
        """Which tape a step ran, and what it found when it began, as an attempt has proved.

        Raises:
            ReplayError: No attempt is proved.
        """
        attempt = self.best(step, observe=False)
        if not attempt.proved:
            msg = f"Step {step} executed again is not what was recorded."
            raise ReplayError(msg, hint="autograd-lens verify says where it differs.")
        return attempt.donor, self._situation(attempt.plan)

    def _first(self, plan: _Plan) -> Attempt:
        """Execute with those kernels under autograd that are known to have made nodes, or all."""
        try:
            return self._with_update(plan)
        except ReplayError as error:
            try:
                return self._with_update(replace(plan, all_grad=True))
            except ReplayError:
                raise error from None

    def _others(self, plan: _Plan, first: Attempt) -> Iterator[_Plan]:
        """Other ways in which the step may have gone."""
        draws = _draws(plan.donor.program)
        if first.proved:
            return
        if plan.donor.step == plan.step:
            if draws:
                yield replace(plan, redraw=not plan.redraw)
            return
        if len(plan.donor.items) != plan.handed:
            yield replace(plan, substitute=False)
        if draws:
            yield from (replace(plan, seeds=seeds, redraw=True) for seeds in _SEEDS)
            yield replace(plan, redraw=False)  # the program may set a seed of its own
        yield from (replace(plan, shuffled=one) for one in self._sources.orders(plan.donor))
        tried = {_constants(plan.donor)}
        for donor in self._sources.others(plan.donor):
            if _constants(donor) not in tried and len(tried) < _TAPES:
                tried.add(_constants(donor))
                yield replace(plan, donor=donor)

    def _with_update(self, plan: _Plan) -> Attempt:
        """Execute with the update as on the tape or made by its optimizer, whichever is right."""
        other = plan.donor.step != plan.step and self._optimizers.known
        known = self._optimizers.at(plan.step) if other else ()
        if not known:
            return self._attempt(plan)
        number, first = plan.donor.encoded.number, None
        makers = [known, known[::-1]] if len(known) > 1 else [known]
        orders = [(), *makers] if number not in self._by_optimizer else [*makers, ()]
        for optimizers in orders:
            try:
                attempt = self._attempt(plan, optimizers)
            except ReplayError:
                if not optimizers:
                    raise
                continue  # the optimizer cannot be built, or runs other kernels than recorded
            single = len(plan.donor.program.backwards) == 1
            if attempt.complete or (single and not attempt.proved):
                self._by_optimizer |= {number} if attempt.complete and optimizers else set()
                return attempt
            if first is None or (attempt.proved and not first.proved):
                first = attempt
        return first or self._attempt(plan)

    def _attempt(self, plan: _Plan, optimizers: Sequence[Mapping[str, Any]] = ()) -> Attempt:
        check = Check(self._sources.light(plan.step))
        execution = Execution(
            plan.donor.program,
            self._situation(plan),
            check,
            observe=plan.observe,
            optimizers=optimizers,
        )
        execution.run()
        check.end(execution.leaves)
        return Attempt(plan.donor, execution, check, plan)

    def _situation(self, plan: _Plan) -> Situation:
        situation = self._sources.situation(
            plan.step, plan.donor, plan.carried, plan.seeds, substitute=plan.substitute
        )
        return replace(
            situation,
            shuffled=plan.shuffled,
            redraw=plan.redraw,
            all_grad=plan.all_grad,
        )

    # -- carrying -----------------------------------------------------------------------

    def carried_to(self, step: int, donor: Donor) -> Carried | None:
        """What the steps before hand on to a step, where it needs any of that."""
        own = donor.step == step
        if donor.self_contained if own else not self._needs_carried(step, donor.program):
            return None
        earlier = sorted(full for full in self._sources.full if full < step)
        start = next(filter(self._sources.starts, reversed(earlier)), -1)
        if start < 0:
            raise ReplayError(self._nothing_before(step, earlier=bool(earlier)))
        carried = self._carried
        if carried is None or carried.step > step or carried.since < start:
            self._carried = None
            self.on_way(start, step)
            self.best(start, observe=False)
        while self._carried is not None and self._carried.step < step:
            self.on_way(self._carried.step, step)
            self.best(self._carried.step, observe=False)
        return self._carried

    def _nothing_before(self, step: int, *, earlier: bool) -> str:
        light = self._sources.light(step)
        pairs = zip(light.known, light.rows[0].values, strict=False)
        names = ", ".join(known.name for known, value in pairs if isinstance(value, Summary))
        if earlier and names:
            return f"{names} was too large to be kept whole, in step {step} and in all before it."
        return f"What step {step} finds was changed before anything was recorded in full."

    def _needs_carried(self, step: int, program: Program) -> bool:
        rows = self._sources.light(step).rows
        if not rows:
            msg = f"No loss or gradient of step {step} was recorded to compare a replay with."
            raise ReplayError(msg)
        values = rows[0].values
        return bool(program.state) or not all(
            entry is None or isinstance(entry, bytes) for entry in values
        )

    def _hand_on(self, step: int, attempt: Attempt) -> None:
        """Keep what a step leaves, for the next one."""
        full = step in self._sources.full
        before = self._carried if self._carried and self._carried.step == step else None
        if before is None and not full:
            return
        tensors = dict(before.tensors) if before is not None else {}
        program, execution = attempt.donor.program, attempt.execution
        for number, key in state_keys(program).items():
            tensor = execution.live[number]
            if tensor is not None:
                tensors[key] = tensor.detach().clone()
        wrong = {difference.name for difference in attempt.check.updates}
        for name, leaf in execution.leaves.items():
            key = (name, str(leaf.dtype).removeprefix("torch."), tuple(leaf.shape))
            tensors.pop(key, None)
            if name not in wrong:
                tensors[key] = leaf.detach().clone()
        since = step if full or before is None else before.since
        self._carried = Carried(step + 1, since, tensors)


def _silent(_step: int | None, _target: int) -> None:
    """Tell nobody."""


def _constants(donor: Donor) -> tuple[object, ...]:
    """What tells tapes of one structure apart: the template, and the numbers in its calls."""
    slots = donor.encoded.slots
    return donor.encoded.number, *(one for one in slots if isinstance(one, float | complex))


def _draws(program: Program) -> bool:
    return any(one.operator is not None and draws(one.operator, {}) for one in program.instructions)
