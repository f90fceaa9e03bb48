"""The learning rates of a run, step by step, beside the largest one that its loss bears.

A scheduler changes the rate from step to step. The numbers of each optimizer's groups are recorded
wherever they changed; of an update that a program writes out itself, the rate is read off the
steps that were recorded in full.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograd_lens.trace.expression import learning_rate
from autograd_lens.trace.kept import (
    Curvature,
    Curvatures,
    Optimizer,
    noted_numbers,
    stored_curvatures,
    stored_optimizers,
)
from autograd_lens.trace.reader import Trace

__all__ = ["RateGroup", "Rates", "find_rates"]

Numbers = Mapping[str, float]
Noted = Sequence[tuple[int, Sequence[Numbers]]]
"""The numbers of each group of an optimizer, and from which step on they hold."""

_LOOKED_AT = 8  # full steps that a handwritten update's rate is read off
_SETTINGS = ("momentum", "weight_decay")


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters that are updated with one rate.

    Attributes:
        rates: From which step on which rate holds, in order; at least one.
        optimizer: Its class; ``""`` where the program writes its update out itself.
        parameters: Their names; ``()`` where it is not known which they are.
        settings: Other numbers that it computes with and that are not always 0, by name, each as
            ``course`` tells the rate.
        sampled: Whether the rates are those of some steps, and others may lie between them.
    """

    rates: tuple[tuple[int, float], ...]
    optimizer: str = ""
    parameters: tuple[str, ...] = ()
    settings: tuple[tuple[str, tuple[float, ...]], ...] = ()
    sampled: bool = False

    def at(self, step: int) -> float:
        """The rate in a step; before the first that is known, that one."""
        place = bisect_right(self.rates, step, key=lambda known: known[0])
        return self.rates[max(place - 1, 0)][1]

    def within(self, first: int, stop: int) -> RateGroup:
        """The same over some of the steps."""
        later = tuple(known for known in self.rates if first < known[0] < stop)
        return replace(self, rates=((first, self.at(first)), *later))

    @property
    def course(self) -> tuple[float, ...]:
        """One rate; or the first and the last, with the one farthest outside of these between."""
        return _course([rate for _, rate in self.rates])


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates in use, and what is known of the largest stable one.

    Attributes:
        groups: The groups of all optimizers; empty where no rate is known.
        curvature: The curvature at the last step where it is known, or None.
        missing: Why it is not known; ``""`` where it is, or where nobody measured it.
    """

    groups: tuple[RateGroup, ...] = ()
    curvature: Curvature | None = None
    missing: str = ""

    @property
    def used(self) -> tuple[float, ...]:
        """All rates of the run, rising."""
        return tuple(sorted({rate for group in self.groups for _, rate in group.rates}))

    def at(self, step: int) -> tuple[float, ...]:
        """The rates of all groups in a step, rising."""
        return tuple(sorted({group.at(step) for group in self.groups}))

    @property
    def is_plain(self) -> bool:
        """Whether the limit of plain gradient descent holds for what is used."""
        names = {(group.optimizer, "momentum" in dict(group.settings)) for group in self.groups}
        return names <= {("SGD", False), ("", False)}


def _course(values: Sequence[float]) -> tuple[float, ...]:
    first, last = values[0], values[-1]
    low, high = min(values), max(values)
    above, below = high - max(first, last), min(first, last) - low
    if low == high:
        return (first,)
    if above <= 0 and below <= 0:
        return first, last
    return first, high if above >= below else low, last


def find_rates(trace: Trace, curvatures: Curvatures | None = None) -> Rates:
    """The learning rates of a run, and what is kept of its curvature.

    Args:
        trace: The run.
        curvatures: Its curvature, where it was measured just now.

    Raises:
        NotATraceError: What the trace keeps is damaged.
    """
    found = stored_curvatures(trace) if curvatures is None else curvatures
    last = found.points[-1] if found and found.points else None
    return Rates(tuple(_groups(trace)), last, found.missing if found else "")


def _groups(trace: Trace) -> Iterator[RateGroup]:
    noted, names, described = _noted(trace), list(trace.parameters), _optimizers(trace)
    # Read off full steps, which takes long where they are: only where nothing else tells it.
    told_all = described and all(one.holds[0] in noted for one in described)
    written = () if told_all or (noted and not described) else _written(trace)
    for one in described:
        held = [names[at] if at is not None and at < len(names) else "" for at in one.holds]
        changes, start = noted.pop(one.holds[0], ()), 0
        told = changes or ((0, [group.attributes for group in one.parts]),)
        for number, group in enumerate(one.parts):
            known = tuple(filter(None, held[start : start + group.size]))
            start += group.size
            rates = tuple(_changed(told, number))
            if not changes and len(written) > 1:  # its own attributes say nothing of the steps
                rates = written
            if rates:
                kind, sampled = one.kind.rpartition(".")[2], rates is written
                yield RateGroup(rates, kind, known, tuple(_settings(told, number)), sampled)
    for changes in noted.values():  # of optimizers that no variable of the program names
        for number in range(len(changes[-1][1])):
            if rates := tuple(_changed(changes, number)):
                settings = tuple(_settings(changes, number))
                yield RateGroup(rates, "an optimizer", (), settings)
    if not described and not noted and written:
        yield RateGroup(written, sampled=True)


def _optimizers(trace: Trace) -> Sequence[Optimizer]:
    """The optimizers that make updates; of one in a wrapper that speaks for it, itself."""
    found: dict[tuple[object, ...], Optimizer] = {}
    for one in stored_optimizers(trace):
        if not one.holds or "lr" not in one.parts[0].attributes:
            continue  # a scheduler holds nothing, or has no rate
        numbers = tuple((part.size, *sorted(part.attributes.items())) for part in one.parts)
        known = found.setdefault((one.holds, numbers), one)
        if one.name.startswith(f"{known.name}."):
            found[one.holds, numbers] = one
    return list(found.values())


def _settings(changes: Noted, group: int) -> Iterator[tuple[str, tuple[float, ...]]]:
    """What a group computes with besides its rate."""
    noted = [groups[group] for _, groups in changes if group < len(groups)]
    for name in _SETTINGS:
        course = _course([float(one.get(name, 0)) for one in noted])
        if course != (0,):
            yield name, course


def _noted(trace: Trace) -> dict[int | None, Noted]:
    """The numbers of optimizers where they changed, by the optimizer's first parameter.

    Each with the step from whose update on they hold: they stand beside the row behind it.
    """
    found: dict[int | None, list[tuple[int, Sequence[Numbers]]]] = {}
    for row, first, groups in noted_numbers(trace):
        step = int(trace.rows.steps[max(row - 1, 0)])
        found.setdefault(first, []).append((step, groups))
    return {**found}


def _changed(changes: Noted, group: int) -> Iterator[tuple[int, float]]:
    """From which step on which rate holds in one group; of several in a step, the last."""
    known = {
        step: float(groups[group]["lr"])
        for step, groups in changes
        if group < len(groups) and "lr" in groups[group]
    }
    before = None
    for step, rate in sorted(known.items()):
        if rate != before:
            yield step, rate
        before = rate


def _written(trace: Trace) -> tuple[tuple[int, float], ...]:
    """The constant of an update that a program writes out itself, in some full steps."""
    full, names = trace.full_steps, list(trace.parameters)
    places = np.unique(np.linspace(0, len(full) - 1, min(len(full), _LOOKED_AT)).astype(int))
    known = [(full[at], learning_rate(trace.steps[full[at]], names)) for at in places.tolist()]
    found: list[tuple[int, float]] = []
    for step, rate in known:
        if rate is not None and (not found or found[-1][1] != rate):
            found.append((step, rate))
    return tuple(found)
