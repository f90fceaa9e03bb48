"""The learning rates of a run, step by step, beside the largest one that its loss bears.

A scheduler changes the rate from step to step. The numbers of each optimizer's groups are recorded
wherever they changed; of an update that a program writes out itself, the rate is read off the
steps that were recorded in full.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lens.analysis.lesson.ending import learning_rate
from autograd_lens.errors import NotATraceError
from autograd_lens.trace.kept import Curvature, Curvatures, stored_curvatures
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.schema import damaged

__all__ = ["RateGroup", "Rates", "find_rates"]

Json = Mapping[str, Any]

_LOOKED_AT = 8  # full steps that a handwritten update's rate is read off
_SETTINGS = ("momentum", "weight_decay")


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters that are updated with one rate.

    Attributes:
        rates: From which step on which rate holds, in order; at least one.
        optimizer: Its class; ``""`` where the program writes its update out itself.
        parameters: Their names; ``()`` where it is not known which they are.
        settings: Other numbers that it computes with and that are not 0, by name.
        sampled: Whether the rates are those of some steps, and others may lie between them.
    """

    rates: tuple[tuple[int, float], ...]
    optimizer: str = ""
    parameters: tuple[str, ...] = ()
    settings: tuple[tuple[str, float], ...] = ()
    sampled: bool = False

    def at(self, step: int) -> float:
        """The rate in a step; before the first that is known, that one."""
        place = bisect_right(self.rates, step, key=lambda known: known[0])
        return self.rates[max(place - 1, 0)][1]

    @property
    def course(self) -> tuple[float, ...]:
        """One rate; or the first and the last, with the one farthest outside of these between."""
        values = [rate for _, rate in self.rates]
        first, last = values[0], values[-1]
        low, high = min(values), max(values)
        above, below = high - max(first, last), min(first, last) - low
        if low == high:
            return (first,)
        if above <= 0 and below <= 0:
            return first, last
        return first, high if above >= below else low, last


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
    try:
        groups = tuple(_groups(trace))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, NotATraceError):
            raise
        damaged("what it says of its optimizers cannot be read", error)
    return Rates(groups, last, found.missing if found else "")


def _groups(trace: Trace) -> Iterator[RateGroup]:
    noted, names = _noted(trace), list(trace.parameters)
    written = _written(trace)
    described = [one for one in json.loads(trace.extra("optimizers") or b"[]") if _has_rate(one)]
    for one in described:
        holds = [names[at] if isinstance(at, int) else "" for at in one.get("holds", ())]
        changes = noted.pop(next(iter(one.get("holds", ())), None), ())
        start = 0
        for number, group in enumerate(one.get("groups") or [{**one, "size": len(holds)}]):
            known = tuple(filter(None, holds[start : start + group["size"]]))
            start += group["size"]
            told = ((0, float(group["attributes"]["lr"])),)
            rates = tuple(_changed(changes, number)) or told
            if not changes and len(written) > 1:  # its own attributes say nothing of the steps
                rates = written
            yield RateGroup(
                rates,
                str(one["class"]).rpartition(".")[2],
                known,
                tuple(_settings(group["attributes"])),
                sampled=rates is written,
            )
    for changes in noted.values():  # of optimizers that no variable of the program names
        for number in range(len(changes[-1][1])):
            if rates := tuple(_changed(changes, number)):
                settings = tuple(_settings(changes[-1][1][number]))
                yield RateGroup(rates, "an optimizer", (), settings)
    if not described and not noted and written:
        yield RateGroup(written, sampled=True)


def _has_rate(optimizer: Json) -> bool:
    """Whether it updates something and has a rate: a scheduler does not."""
    groups = optimizer.get("groups") or [optimizer]
    return bool(optimizer.get("holds", True)) and all("lr" in one["attributes"] for one in groups)


def _settings(attributes: Json) -> Iterator[tuple[str, float]]:
    return ((name, float(attributes[name])) for name in _SETTINGS if attributes.get(name, 0) != 0)


def _noted(trace: Trace) -> dict[int | None, Sequence[tuple[int, list[Json]]]]:
    """The numbers of optimizers where they changed, by the optimizer's first parameter.

    Each with the step from whose update on they hold: they stand beside the row behind it.
    """
    found: dict[int | None, list[tuple[int, list[Json]]]] = {}
    for row, text in trace.rows.extra_column("numbers"):
        step = int(trace.rows.steps[max(row - 1, 0)])
        for first, groups in json.loads(text):
            found.setdefault(first, []).append((step, groups))
    return {**found}


def _changed(changes: Sequence[tuple[int, list[Json]]], group: int) -> Iterator[tuple[int, float]]:
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
