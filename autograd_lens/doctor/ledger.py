"""Who is updated with what: for each update of each parameter, whose gradients went into it.

NOTE 1 [Reading the rows]: a light row holds every ``.grad`` before and after one run of the
engine. So between two rows it is known whether a gradient was left alone, cleared or changed,
and whether the parameter moved. A gradient that the next run found as it was left is carried
on, one that it found zero or None was cleared; where the parameter moved in between as well,
it was used first, unless the optimizer is known to have been called after the clearing.

NOTE 2 [Rates]: a row that notes an optimizer's numbers does so because they are new, or because
the optimizer is. The same numbers again therefore mean that another object made the update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autograd_lens.doctor.evidence import Evidence, Gap, is_zero
from autograd_lens.trace.kept import Optimizer, noted_numbers
from autograd_lens.trace.rows import LightGraph

__all__ = [
    "Ledger",
    "Rates",
    "Use",
    "ever_reached",
    "piling_up",
    "reached",
    "standing_still",
]

_FEWEST_RUNS = 3


def ever_reached(evidence: Evidence) -> set[int]:
    """Parameters that any backward of the whole run wrote a gradient to."""
    return {index for graph in evidence.graphs for index in graph.reached}


def reached(evidence: Evidence) -> list[int]:
    """Parameters that got a gradient other than zero; none where the engine ran once or twice."""
    runs = list(evidence.runs)
    if len(runs) < _FEWEST_RUNS:
        return []
    return [index for index in sorted(ever_reached(evidence)) if _has_gradient(evidence, index)]


def _has_gradient(evidence: Evidence, index: int) -> bool:
    return any(
        gap.written and not is_zero(gap.grad) for gaps in evidence.gaps(index) for gap in gaps
    )


def standing_still(evidence: Evidence, indexes: Sequence[int]) -> bool:
    """Whether none of these parameters ever changed, and all of them were there all the time."""
    for index in indexes:
        for gaps in evidence.gaps(index):
            if any(gap.updated or gap.after is None for gap in gaps):
                return False
    return True


def piling_up(evidence: Evidence, indexes: Sequence[int]) -> bool:
    """Whether gradients of all these parameters were left as they were between runs."""
    for index in indexes:
        gaps = [gap for gaps in evidence.gaps(index) for gap in gaps if gap.written]
        if not gaps or not all(gap.kept or is_zero(gap.grad) for gap in gaps):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Use:
    """What became of a gradient between two runs of the engine, where it did not just stay.

    Attributes:
        step: The step of the run in front.
        index: The parameter.
        writers: Numbers of the graphs that wrote into ``.grad`` since it was last cleared.
        used: Whether the parameter was updated.
        again: Whether an update before used some of these gradients already, and the program did
            not change them since.
        fresh: Whether a backward has written some of them since the last update.
        cleared: Whether ``.grad`` was cleared.
        gap: Both rows' values.
    """

    step: int
    index: int
    writers: tuple[int, ...]
    used: bool
    again: bool
    fresh: bool
    cleared: bool
    gap: Gap


@dataclass(frozen=True, slots=True)
class Rates:
    """The numbers of one optimizer's updates, in order.

    Attributes:
        first: Index of its first parameter, None where no backward reached that.
        steps: The step of each note.
        groups: The numbers of each group, for each note.
    """

    first: int | None
    steps: tuple[int, ...]
    groups: tuple[tuple[Mapping[str, float], ...], ...]

    def of(self, name: str, group: int = 0) -> list[float]:
        """One number of one group in every note."""
        return [numbers[group][name] for numbers in self.groups if name in numbers[group]]

    @property
    def renewed(self) -> list[int]:
        """Steps in which another optimizer object made its first update (NOTE 2)."""
        pairs = zip(self.groups, self.groups[1:], self.steps[1:], strict=False)
        return [step for before, now, step in pairs if before == now]


class Ledger:
    """A run's bookkeeping.

    Args:
        evidence: The run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._uses: dict[int, list[Use]] = {}

    @cached_property
    def holders(self) -> Mapping[int, list[tuple[Optimizer, int]]]:
        """Parameter -> the optimizers that hold it, each with the number of the group."""
        found: dict[int, list[tuple[Optimizer, int]]] = {}
        for optimizer in self._evidence.optimizers:
            group = [
                number for number, part in enumerate(optimizer.groups) for _ in range(part.size)
            ]
            for place, index in enumerate(optimizer.holds):
                if index is not None:
                    number = group[place] if place < len(group) else 0
                    found.setdefault(index, []).append((optimizer, number))
        return found

    def uses(self, index: int) -> list[Use]:
        """What became of one parameter's gradients (NOTE 1)."""
        if index not in self._uses:
            windows = self._evidence.gaps(index)
            self._uses[index] = [
                use for gaps in windows for use in _uses(index, gaps, clips=self._clips)
            ]
        return self._uses[index]

    @cached_property
    def _clips(self) -> bool:
        """Whether the loop clips gradients: then one that is shorter is still the same."""
        run = next(self._evidence.runs, None)
        source = run.graph.source if run and run.graph else None
        calls = self._evidence.code(source).calls(source.line) if source else []
        return any(name.startswith("clip_grad") for _, name, _ in calls)

    def graph(self, number: int) -> LightGraph:
        """What a graph's rows have in common."""
        return self._evidence.trace.graph(number)

    def lines(self, numbers: Sequence[int]) -> list[tuple[str, int]]:
        """The calls of backward that these graphs belong to: (file, line), each once, in order."""
        sources = [self.graph(number).source for number in numbers]
        return list(dict.fromkeys((one.file, one.line) for one in sources if one))

    @cached_property
    def rates(self) -> tuple[Rates, ...]:
        """The numbers of each optimizer of torch.optim that made an update."""
        notes: dict[int | None, list[tuple[int, tuple[Mapping[str, float], ...]]]] = {}
        trace = self._evidence.trace
        for row, first, groups in noted_numbers(trace):
            step = int(trace.rows.steps[max(0, row - 1)])
            notes.setdefault(first, []).append((step, tuple(groups)))
        return tuple(
            Rates(first, tuple(step for step, _ in found), tuple(groups for _, groups in found))
            for first, found in notes.items()
            if all(groups for _, groups in found)
        )


def _uses(index: int, gaps: Sequence[Gap], *, clips: bool) -> Iterator[Use]:
    writers: tuple[int, ...] = ()
    spent = fresh = False
    for gap in gaps:
        if is_zero(gap.before):
            writers, spent, fresh = (), False, False
        if gap.written:
            writers, fresh = (*writers, gap.run.row.graph), True
        cleared = gap.cleared or (bool(writers) and is_zero(gap.found))
        if gap.updated or cleared:
            yield Use(gap.run.row.step, index, writers, gap.updated, spent, fresh, cleared, gap)
        fresh = fresh and not gap.updated
        spent = (spent or gap.updated) and (clips or gap.kept)
        if cleared:
            writers, spent = (), False
