"""Where a walk stops: lines, nodes and conditions, forward and back.

NOTE 1 [Long runs]: conditions are evaluated over all steps at once. A line or a node is looked
for in the steps one by one, which opens them; but steps of the same graphs run the same lines,
so that of those that have been seen without it no further one is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.events import StepEvent
from autograd_lens.tui.session import Opened, Session

__all__ = ["Breakpoint", "Breakpoints", "Hit"]

Steps = npt.NDArray[np.bool_]
Reason = Literal["breakpoint", "function breakpoint", "exception"]
Structure = tuple[int, ...]

_MANY = 1 << 20  # structures that are remembered


@dataclass(frozen=True, slots=True, eq=False)
class Breakpoint:
    """One reason to stop.

    Attributes:
        number: What the client calls it.
        reason: The protocol's word for it.
        words: Why it stops, for people.
        line: File and line; None where it is on no line.
        node: Name of a node; ``""`` where it is on none.
        steps: In which steps it holds: (steps,); None for all.
        kernels: The kernel to stop at, by step; else a step stops where its loss is known.
        at_end: Whether it stops at the end of a step instead, where an error ended it.
    """

    number: int
    reason: Reason
    words: str
    line: tuple[str, int] | None = None
    node: str = ""
    steps: Steps | None = None
    kernels: Mapping[int, int] = field(default_factory=dict)
    at_end: bool = False

    @property
    def of_steps(self) -> bool:
        """Whether it stops in a step as such, and not at something in it."""
        return self.line is None and not self.node

    def holds(self, step: int) -> bool:
        """Whether it may stop in a step."""
        return self.steps is None or (step < len(self.steps) and bool(self.steps[step]))

    def places(self, opened: Opened) -> Iterator[int]:
        """The events of an open step that it stops at."""
        if self.line is not None:
            yield from _entered(opened.events, self.line)
        elif self.node:
            yield from (
                place
                for place, event in enumerate(opened.events)
                if event.kind == "node" and _name(opened, event) == self.node
            )
        elif self.at_end:
            yield max(len(opened.events) - 1, 0)
        else:
            yield _within(opened, self.kernels.get(opened.step.index))


def _entered(events: tuple[StepEvent, ...], line: tuple[str, int]) -> Iterator[int]:
    """Where a line begins to run; going back through it is no running."""
    before = None
    for place, event in enumerate(events):
        if event.kind in {"node", "grad"}:
            continue
        here = (event.source.file, event.source.line) if event.source else None
        if here == line and before != line:
            yield place
        before = here


def _name(opened: Opened, event: StepEvent) -> str:
    backward = opened.step.backwards[event.backward]
    graph = backward.graph
    return graph.nodes[backward.node_runs[event.item].node].name if graph else ""


def _within(opened: Opened, kernel: int | None) -> int:
    """The event of a kernel, else the last call of the engine, where the loss is known."""
    ran = [place for place, one in enumerate(opened.events) if kernel in one.kernels]
    engine = [place for place, one in enumerate(opened.events) if one.kind == "engine"]
    return (ran or engine[-1:] or [0])[0]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a walk stops.

    Attributes:
        step: The step.
        event: The event in it.
        breakpoints: Why.
    """

    step: int
    event: int
    breakpoints: tuple[Breakpoint, ...]


class Breakpoints:
    """All breakpoints of a walk, in groups that a client sets as a whole.

    Args:
        session: The walk.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._groups: dict[str, tuple[Breakpoint, ...]] = {}
        self._without: dict[tuple[Structure, object], bool] = {}

    def set(self, group: str, breakpoints: tuple[Breakpoint, ...]) -> None:
        """The breakpoints of a group, in place of those that it had."""
        self._groups[group] = breakpoints

    @property
    def all(self) -> tuple[Breakpoint, ...]:
        """Those of all groups."""
        return tuple(one for group in self._groups.values() for one in group)

    def ahead(self, *, forward: bool) -> Hit | None:
        """The next stop in a direction, without moving; None where there is none."""
        session, known = self._session, self.all
        if not known or not session.steps:
            return None
        for step in self._steps(known, forward=forward):
            hits = self._hits(step, known)
            if step == session.step:
                hits = [
                    hit for hit in hits if (hit.event - session.event) * (1 if forward else -1) > 0
                ]
            if hits:
                return hits[0 if forward else -1]
        return None

    def _steps(self, known: tuple[Breakpoint, ...], *, forward: bool) -> Iterator[int]:
        """Steps in which something may stop, from the current one on."""
        here, count = self._session.step, self._session.steps
        way = range(here, count) if forward else range(here, -1, -1)
        if all(one.steps is not None for one in known):
            holds = np.zeros(count, np.bool_)
            for one in known:
                if one.steps is not None:
                    holds[: len(one.steps)] |= one.steps[:count]
            return (step for step in way if holds[step])
        return iter(way)

    def _hits(self, step: int, known: tuple[Breakpoint, ...]) -> list[Hit]:
        waiting = [one for one in known if one.holds(step)]
        waiting = [one for one in waiting if one.of_steps or not self._lacks(step, one)]
        if not waiting:
            return []
        opened = self._session.open(step)
        found: dict[int, list[Breakpoint]] = {}
        for one in waiting:
            places = list(one.places(opened))
            if not one.of_steps:
                self._note(opened, one, there=bool(places))
            for place in places:
                found.setdefault(place, []).append(one)
        return [Hit(step, place, tuple(found[place])) for place in sorted(found)]

    def _structure(self, step: int) -> Structure | None:
        """The graphs that a light step ran; None of a step with a tape of its own."""
        trace = self._session.trace
        if step in trace.full_steps:
            return None
        return tuple(trace.rows.row(place).graph for place in trace.rows.of_step(step))

    def _lacks(self, step: int, one: Breakpoint) -> bool:
        """Whether steps like this one are known not to have it (NOTE 1)."""
        return self._without.get((self._structure(step) or (), (one.line, one.node)), False)

    def _note(self, opened: Opened, one: Breakpoint, *, there: bool) -> None:
        structure = self._structure(opened.step.index)
        if structure and opened.step.level == "full" and len(self._without) < _MANY:
            key = structure, (one.line, one.node)
            self._without[key] = self._without.get(key, True) and not there
