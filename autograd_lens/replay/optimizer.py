"""The program's optimizers with the numbers of each step, and their updates made again.

NOTE 1 [Why not by the tape]: Adam and others compute some numbers in Python, from the count of
steps; a scheduler changes their rate. On the tape they stand as constants of the recorded step;
for another step they have to be computed again, in the same order of operations. So the
optimizer itself is built from what the trace knows of it (its class, the numbers that each of
its groups had in that step, its state) and makes one step. Whether that is what happened is, as
everywhere in replay, compared bit for bit.
"""

from __future__ import annotations

import inspect
import re
from bisect import bisect_right
from collections.abc import (
    Callable,
    Container,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from autograd_lens.errors import ReplayError
from autograd_lens.replay.plan import Call, Plan, Registers
from autograd_lens.trace.expression import learning_rate
from autograd_lens.trace.kept import (
    Optimizer,
    Options,
    noted_numbers,
    replaced_optimizers,
    stored_optimizers,
)
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.store import parsing

__all__ = ["Group", "Optimizers", "Settings", "Update"]

_LOOKED_AT = 8  # full steps that a handwritten rate is read off
Leaves = Mapping[str, torch.Tensor]
Arguments = dict[str, float | tuple[float, ...]]
Implementation = Mapping[str, bool]  # the arguments of an optimizer that choose one


@dataclass(frozen=True, slots=True)
class Group:
    """One parameter group.

    Attributes:
        names: Its parameters, ``""`` for one that the trace does not know.
        numbers: What it computes with by name; ``betas[0]`` for one of several.
        options: Switches and the like.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, float]
    options: Options


@dataclass(frozen=True, slots=True)
class Settings:
    """One optimizer, with the numbers of one step.

    Attributes:
        name: What the program calls it.
        kind: Name of its class.
        numbers: Those of its first group, or the attributes of a handwritten one.
        groups: Its parameter groups; a handwritten one has none.
        first: Index of its first parameter.
    """

    name: str
    kind: str
    numbers: Mapping[str, float]
    groups: tuple[Group, ...]
    first: int | None

    @property
    def is_known(self) -> bool:
        """Whether it is one of ``torch.optim`` that makes its step from gradients alone."""
        kind = getattr(torch.optim, self.kind, None)
        known = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
        return known and kind not in {torch.optim.Optimizer, torch.optim.LBFGS}

    @property
    def parameters(self) -> frozenset[str]:
        """Names of all that it updates."""
        return frozenset(name for group in self.groups for name in group.names if name)

    @property
    def parts(self) -> Sequence[Mapping[str, float]]:
        """The numbers of each group, or its own where it has none."""
        return [group.numbers for group in self.groups] or [self.numbers]


class Optimizers:
    """What a trace tells of the optimizers that made its updates.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @cached_property
    def all(self) -> Sequence[Settings]:
        """What updates something, as it was last described: schedulers do not."""
        return [self._settings(one) for one in stored_optimizers(self._trace) if one.holds]

    def written_out(self) -> Sequence[Settings]:
        """The rate of an update that the program writes out itself, read off its full steps.

        It has a name only where it is one number, in each of them: ``w - lr * w.grad``.
        """
        names = list(self._trace.parameters)
        rates: set[float] = set()
        for number in self._trace.full_steps[:_LOOKED_AT]:
            step = self._trace.steps[number]
            rate = learning_rate(step, names) if step.updates else next(iter(rates), None)
            rates |= {rate} if rate is not None else set()
            if len(rates) > 1 or (rate is None and step.updates):
                return []
        return [Settings("the update", "", {"lr": rate}, (), None) for rate in rates]

    def at(self, step: int) -> Sequence[Settings]:
        """The optimizers with the numbers that they had in a step, as far as they are known."""
        return self.choices(step)[0]

    def choices(self, step: int) -> Sequence[Sequence[Settings]]:
        """The same, and then what they may have been instead: the next parameters tell.

        Of one that was replaced it is known when that was noticed. Where two hold the same
        parameters, either may have made the update. Of two steps' numbers those count that were
        noted behind the step's last backward.
        """
        replaced = [(until, one) for until, one in self._replaced if until > step]
        found = [self._beside(one for _, one in replaced)]
        if replaced:
            first = min(until for until, _ in replaced)
            found.append(self._beside(one for until, one in replaced if until > first))
        for one in (*self.all, *self.all[::-1]):
            others = [other for other in self.all if not _share(one, other)]
            if len(others) + 1 < len(self.all):
                found.append([one, *others])
        end = self._trace.rows.of_step(step).stop
        return [[_with(one, self._latest(one, end)) for one in choice] for choice in found]

    def _beside(self, replaced: Iterable[Settings]) -> list[Settings]:
        """Optimizers that were replaced, with those of today that hold nothing of theirs."""
        chosen: list[Settings] = []
        for one in replaced:
            if not any(_share(one, other) for other in chosen):
                chosen.append(one)
        return [*chosen, *(o for o in self.all if not any(_share(o, one) for one in chosen))]

    @cached_property
    def _replaced(self) -> Sequence[tuple[int, Settings]]:
        """Optimizers that were replaced, each with the step at which that was noticed."""
        return [(until, self._settings(one)) for until, one in replaced_optimizers(self._trace)]

    def beginning(self, step: int) -> frozenset[str]:
        """The parameters for which an optimizer begins a state in a step.

        What was noted between two backwards stands with the second.
        """
        rows = self._trace.rows.of_step(step)
        return frozenset(
            name
            for row in range(rows.start + 1, rows.stop + 1)
            for name in self._fresh.get(row, ())
        )

    @cached_property
    def _fresh(self) -> Mapping[int, Sequence[str]]:
        names = list(self._trace.parameters)
        with parsing("what is known of the optimizers"):
            return {
                row: [names[index] for index in indexes]
                for row, indexes in self._trace.rows.extra_column("fresh")
            }

    def _settings(self, one: Optimizer) -> Settings:
        names = list(self._trace.parameters)
        held = [names[i] if i is not None and i < len(names) else "" for i in one.holds]
        ends = [0, *accumulate(group.size for group in one.groups)]
        groups = tuple(
            Group(tuple(held[first:end]), group.attributes, group.options)
            for group, (first, end) in zip(one.groups, pairwise(ends), strict=True)
        )
        return Settings(one.name, one.kind, one.attributes, groups, next(iter(one.holds), None))

    def _latest(self, one: Settings, row: int) -> Sequence[Mapping[str, float]]:
        """What was noted of an optimizer last, up to a row; of fewer groups before it got more."""
        noted = self._noted.get(one.first, [])
        place = bisect_right(noted, row, key=lambda entry: entry[0])
        mine = [group.numbers.keys() for group in one.groups]
        told = (groups for _, groups in reversed(noted[:place]) if groups)
        fits = (them for them in told if [each.keys() for each in them] == mine[: len(them)])
        return next(fits, ())

    @cached_property
    def _noted(self) -> Mapping[int | None, list[tuple[int, Sequence[Mapping[str, float]]]]]:
        """First parameter -> (row, the numbers of each group), in order."""
        found: dict[int | None, list[tuple[int, Sequence[Mapping[str, float]]]]] = {}
        for row, first, groups in noted_numbers(self._trace):
            found.setdefault(first, []).append((row, groups))
        return found


def _share(one: Settings, other: Settings) -> bool:
    """Whether two optimizers, or one and itself, update a parameter both."""
    return one is other or not one.parameters.isdisjoint(other.parameters)


def _with(one: Settings, numbers: Sequence[Mapping[str, float]]) -> Settings:
    if not numbers:
        return one
    pairs = zip(one.groups, numbers, strict=False)
    groups = tuple(replace(group, numbers=now) for group, now in pairs)
    return replace(one, numbers=numbers[0], groups=groups)


# -- making the update again ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Update:
    """An update on the tape that an optimizer made.

    Attributes:
        plan: The tape.
        block: Its kernels; those of gradient clipping may stand before the optimizer's own, and
            what the program does with the parameters itself behind them.
        settings: The optimizer.
    """

    plan: Plan
    block: Sequence[Call]
    settings: Settings

    def found(self, leaves: Leaves, registers: Registers) -> tuple[slice, Implementation] | None:
        """The kernels of the block that the optimizer itself runs, and how it runs them.

        Returns:
            Where they stand in the block, and the arguments that choose the implementation seen
            there; None where it runs other kernels.
        """
        key, known = self._outline(leaves, registers), self.plan.rehearsed
        if key not in known:
            known[key] = self._found(leaves, registers)
        return known[key]

    def _outline(self, leaves: Leaves, registers: Registers) -> Hashable:
        """What decides which kernels it runs: options, what is zero, and what is there."""
        groups = [
            (
                group.names,
                tuple(group.options.items()),
                tuple([(name, number != 0) for name, number in group.numbers.items()]),
            )
            for group in self.settings.groups
        ]
        grads = [name for name, leaf in leaves.items() if leaf.is_leaf and leaf.grad is not None]
        state = [n for n, one in enumerate(self.plan.specs) if one.role == "state"]
        there = [number for number in state if registers[number] is not None]
        first, last = self.block[0].index, self.block[-1].index
        return first, last, self.settings.kind, tuple(groups), tuple(grads), tuple(there)

    def _found(self, leaves: Leaves, registers: Registers) -> tuple[slice, Implementation] | None:
        recorded = [call.op for call in self.block]
        for implementation in self._implementations(recorded):
            seen = self._rehearse(leaves, registers, implementation)
            for first in range(len(recorded) - len(seen), -1, -1):
                if recorded[first : first + len(seen)] == seen:
                    return slice(first, first + len(seen)), implementation
        return None

    def _rehearse(
        self, leaves: Leaves, registers: Registers, implementation: Implementation
    ) -> list[str]:
        """The kernels that one step on copies runs."""
        with _disable_current_modes():
            copies = {name: _copy(leaf) for name, leaf in leaves.items()}
            states: Registers = [None] * len(registers)  # it does not touch activations
            for number, _, _ in self._states(self._names()):
                tensor = registers[number]
                states[number] = None if tensor is None else tensor.detach().clone()
            optimizer = self._build(copies, states, implementation)  # some make state right then
            with _Names() as names:
                self._step(optimizer)
        seen: list[str] = names.seen
        return seen

    def _implementations(self, recorded: Sequence[str]) -> list[Implementation]:
        accepted = inspect.signature(getattr(torch.optim, self.settings.kind)).parameters
        marks = {"foreach": "aten._foreach_", "fused": "aten._fused_"}
        seen = [name for name, mark in marks.items() if any(op.startswith(mark) for op in recorded)]
        plain: Implementation = {"foreach": False} if "foreach" in accepted else {}
        return [*({name: True} for name in seen if name in accepted), plain]

    def run(self, leaves: Leaves, registers: Registers, implementation: Implementation) -> None:
        """Let the optimizer make its step, without the hooks and profiling marks around it.

        Raises:
            ReplayError: It cannot.
        """
        with _disable_current_modes():
            optimizer = self._build(leaves, registers, implementation)
        self._step(optimizer)
        for number, owner, what in self._states(self._names()):
            made = optimizer.state[leaves[owner]].get(what)
            registers[number] = made if isinstance(made, torch.Tensor) else registers[number]

    def _step(self, optimizer: torch.optim.Optimizer) -> None:
        step = inspect.unwrap(type(optimizer).step)
        try:
            with torch.no_grad():
                step(optimizer)
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            msg = f"{self.settings.kind} cannot make its step again: {error}"
            raise ReplayError(msg) from error

    def _build(
        self, leaves: Leaves, registers: Registers, implementation: Implementation
    ) -> torch.optim.Optimizer:
        """The optimizer with the state it had."""
        kind: Any = getattr(torch.optim, self.settings.kind)
        names = self._names()
        try:
            groups = [*self._groups(leaves, names, inspect.signature(kind).parameters)]
            optimizer = _light(kind)(groups, **implementation)
        except (TypeError, ValueError, KeyError) as error:
            msg = f"{self.settings.kind} cannot be built again: {error}"
            raise ReplayError(msg) from error
        fresh = self._fresh()
        for number, owner, what in self._states(names):
            if number in self.plan.outside and number not in fresh:
                optimizer.state[leaves[owner]][what] = registers[number]
        return optimizer

    def _groups(
        self, leaves: Leaves, names: Sequence[str], accepted: Container[str]
    ) -> Iterator[dict[str, object]]:
        """Its parameter groups, as far as they are updated here."""
        for group in self.settings.groups:
            members: Sequence[str] = group.names
            if len(self.settings.groups) == 1 and not set(names) <= set(members):
                members = names  # the trace does not know all that it holds
            params = [leaves[name] for name in members if name in names]
            if params:
                options = _options(group.options, accepted)
                yield {"params": params, **_numbers(group.numbers, accepted), **options}

    def _states(self, names: Sequence[str]) -> Iterator[tuple[int, str, str]]:
        """The optimizer's state on the tape: id, parameter and name of each tensor."""
        for number, spec in enumerate(self.plan.specs):
            owner, _, what = spec.name.rpartition(".")
            if spec.role == "state" and owner in names:
                yield number, owner, what

    def _fresh(self) -> frozenset[int]:
        """Tensors that the update itself makes from a number: the first step's counters."""
        made = (one.makes for one in self.block if one.op == "aten.lift_fresh.default")
        return frozenset(number for makes in made for number in makes)

    def _names(self) -> list[str]:
        """The parameters that the block updates, in order, and that the optimizer holds.

        An average that follows them is made of the same kernels.
        """
        block = {call.index for call in self.block}
        updates = self.plan.template.updates
        found = [one.parameter for one in updates if not block.isdisjoint(one.kernels)]
        all_known = all(name for group in self.settings.groups for name in group.names)
        return [one for one in found if not all_known or one in self.settings.parameters]


class _Names(TorchDispatchMode):
    """Notes the kernels that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Note one kernel and run it."""
        if func.namespace != "profiler":
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def _copy(leaf: torch.Tensor) -> torch.Tensor:
    copy = leaf.detach().clone().requires_grad_(leaf.requires_grad)
    copy.grad = None if leaf.grad is None else leaf.grad.detach().clone()
    return copy


def _numbers(attributes: Mapping[str, float], accepted: Container[str]) -> Arguments:
    """``betas[0]`` and ``betas[1]`` become one tuple."""
    found: Arguments = {}
    for name, value in attributes.items():
        match = re.fullmatch(r"(\w+)\[\d+\]", name)
        if match and match[1] in accepted:
            several = found.get(match[1], ())
            found[match[1]] = (*several, value) if isinstance(several, tuple) else (value,)
        elif name in accepted:
            found[name] = value
    return found


@cache
def _light(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The optimizer without the guard against ``torch.compile``, which imports all of Dynamo."""
    plain = inspect.unwrap(kind.add_param_group)
    return type(kind.__name__, (kind,), {"add_param_group": plain})


def _options(options: Options, accepted: Container[str]) -> Options:
    """Switches and the like; which implementation runs is seen on the tape instead."""
    taken = (name for name in options if name in accepted and name not in {"foreach", "fused"})
    return {name: options[name] for name in taken}
