"""What rules look at.

NOTE 1 [Enough, not all]: a run may have a million steps. Rules see all losses, but engine runs
and full steps of a sample: unbroken stretches at the beginning, in the middle and at the end,
and around the first loss that is no number. What goes wrong in a training loop goes wrong in
every turn; what goes wrong once shows in the losses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from autograd_lens.analysis.failure import raised_at
from autograd_lens.doctor.experiments import Experiments
from autograd_lens.doctor.source import Code
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.kept import Optimizer, stored_optimizers
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter, Source, Step
from autograd_lens.trace.rows import END, LightGraph, LightRow
from autograd_lens.trace.values import Entry, Floats, Value, as_value, differ

if TYPE_CHECKING:
    from autograd_lens.doctor.ledger import Ledger

__all__ = [
    "EngineRun",
    "Evidence",
    "Gap",
    "finite",
    "is_zero",
    "missing_grad",
    "owner_of_grad",
    "same_bytes",
    "warned",
]

_ENTRIES = 6_000  # parameter values of engine runs that are looked at
_FEWEST_RUNS = 60
_FULL_STEPS = 12
_FEWEST_FULL = 4
_CALLS = {1: "s", 2: "z", 3: "sz", 4: "zs"}
_QUICK = 600  # kernels of a step that is opened although nobody asked for it
_KERNELS = 12_000  # of full steps that are looked at
_ZEROS = b"\0\x80"  # the bytes of 0 and -0; what has others is no zero


@dataclass(frozen=True, slots=True)
class EngineRun:
    """One run of the engine, as the light rows tell it.

    Attributes:
        row: What was recorded.
        graph: Its circumstances; None for the state after the last step.
        nodes: Nodes of its graph.
        called: What optimizers were seen to do since the run before: ``"s"`` where one made an
            update, ``"z"`` where gradients were cleared, in order.
    """

    row: LightRow
    graph: LightGraph | None
    nodes: int
    called: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """One parameter between an engine run and the next.

    Attributes:
        run: The run in front.
        written: Whether that run wrote the parameter's ``.grad``.
        before: ``.grad`` before the run.
        grad: ``.grad`` after it.
        found: ``.grad`` that the next run found.
        value: The parameter at the run.
        after: The parameter at the next run.
        updated: Whether the parameter changed in between.
        called: What optimizers did in between; see ``EngineRun``.
    """

    run: EngineRun
    written: bool
    before: Value | None
    grad: Value | None
    found: Value | None
    value: Value | None
    after: Value | None
    updated: bool
    called: str = ""

    @property
    def cleared(self) -> bool:
        """Whether a grad that was not zero is zero or None at the next run."""
        return not is_zero(self.grad) and is_zero(self.found)

    @property
    def kept(self) -> bool:
        """Whether the next run found a grad that is not zero just as this one left it."""
        return not is_zero(self.grad) and same_bytes(self.grad, self.found)


class Evidence:
    """A trace, as rules read it.

    Args:
        trace: The trace.
        experiments: What may be tried; by default nothing.

    Attributes:
        trace: The trace.
        experiments: What may be tried.
        parameters: All parameters by index.
    """

    def __init__(self, trace: Trace, experiments: Experiments | None = None) -> None:
        self.trace = trace
        self.experiments = experiments or Experiments(None)
        self.parameters: tuple[Parameter, ...] = tuple(trace.parameters.values())
        self._gaps: dict[int, list[list[Gap]]] = {}
        self._codes: dict[str, Code] = {}

    @cached_property
    def losses(self) -> Floats:
        """The loss of each step: (steps,)."""
        return self.trace.losses

    @cached_property
    def windows(self) -> tuple[tuple[EngineRun, ...], ...]:
        """Unbroken stretches of engine runs; see NOTE 1."""
        return tuple(
            tuple(self._run(row) for row in range(*stretch)) for stretch in self._stretches()
        )

    @property
    def runs(self) -> Iterator[EngineRun]:
        """All engine runs of the windows."""
        return (run for window in self.windows for run in window if run.graph is not None)

    def gaps(self, index: int) -> list[list[Gap]]:
        """What happened to one parameter between runs, for each window.

        The gap to the end of the run is left out where the parameter had gone by then, as the
        variables of a function do.
        """
        if index not in self._gaps:
            parameter = self.parameters[index]
            self._gaps[index] = [
                [
                    _gap(run, following, index, parameter)
                    for run, following in pairwise(window)
                    if following.graph is not None or _entry(following.row.values, index)
                ]
                for window in self.windows
            ]
        return self._gaps[index]

    def _stretches(self) -> list[tuple[int, int]]:
        total = len(self.trace.rows)
        allowed = max(_FEWEST_RUNS, _ENTRIES // (len(self.parameters) + 1))
        if total <= allowed:
            return [(0, total)]
        third = allowed // 3
        middle = (total - third) // 2
        return [(0, third), (middle, middle + third), (total - third, total)]

    def _run(self, place: int) -> EngineRun:
        row = self.trace.rows.row(place)
        called = self._calls.get(place, "")
        if row.graph == END:
            return EngineRun(row, None, 0, called)
        graph = self.trace.graph(row.graph)
        return EngineRun(row, graph, graph.nodes, called)

    @cached_property
    def _calls(self) -> Mapping[int, str]:
        found = self.trace.rows.extra_column("calls")
        return {row: _CALLS.get(code, "") for row, code in found}

    @cached_property
    def graphs(self) -> tuple[LightGraph, ...]:
        """The circumstances of all engine runs of the whole trace."""
        return tuple(self.trace.graph(number) for number in self.trace.items.numbers("graph"))

    @cached_property
    def loop(self) -> Source | None:
        """The first line that is known to call backward: it stands in the training loop."""
        return next((graph.source for graph in self.graphs if graph.source), None)

    @cached_property
    def full(self) -> tuple[Step, ...]:
        """Full steps: the first ones, the last one, and some between; few of a large model.

        Where the recording spared later ones, two of them are opened by replay.
        """
        steps = self._whole
        if not steps:
            return ()
        kernels = len(self.trace.steps[steps[0]].kernels) + 1
        allowed = min(max(_KERNELS // kernels, _FEWEST_FULL), _FULL_STEPS)
        if len(steps) > allowed:
            half = allowed // 2
            picked = np.linspace(half, len(steps) - 1, allowed - half).astype(int)
            steps = (*steps[:half], *(steps[place] for place in dict.fromkeys(picked.tolist())))
        return tuple(self.trace.steps[step] for step in steps)

    @cached_property
    def tapes(self) -> tuple[TapeIndex, ...]:
        """The full steps, indexed."""
        return tuple(map(TapeIndex, self.full))

    @property
    def _whole(self) -> tuple[int, ...]:
        """The steps that were recorded in full, and the later ones that are cheap to open."""
        recorded, last = self.trace.full_steps, len(self.trace.steps) - 1
        if not recorded or recorded[-1] >= last // 2 or not self.experiments.possible:
            return recorded
        if len(self.trace.steps[recorded[0]].kernels) > _QUICK:
            return recorded
        later = {last // 2, last - 1} - set(recorded)
        opened = (self.experiments.opened(step, self.full_step) for step in sorted(later))
        return (*recorded, *(step.index for step in opened if step is not None and _linked(step)))

    def full_step(self, step: int) -> Step | None:
        """A step, where it was recorded in full or the trace can open it by replay."""
        recorded = step in self.trace.full_steps
        if not recorded and (self.trace.replayer is None or not 0 <= step < len(self.trace.steps)):
            return None
        opened = self.trace.steps[step]
        return opened if opened.level == "full" else None

    @cached_property
    def optimizers(self) -> tuple[Optimizer, ...]:
        """The optimizers that variables of the program name."""
        return tuple(one for one in stored_optimizers(self.trace) if "lr" in one.attributes)

    @cached_property
    def ledger(self) -> Ledger:
        """Who is updated with what."""
        from autograd_lens.doctor.ledger import Ledger  # noqa: PLC0415  it reads this evidence

        return Ledger(self)

    @cached_property
    def failure(self) -> Event | None:
        """The exception that ended the run."""
        return next((one for one in self.trace.events if one.kind == "exception"), None)

    @cached_property
    def failed_at(self) -> tuple[Source | None, str]:
        """The program's own line that the exception came from, and its text."""
        return raised_at(self.trace, self.failure.detail if self.failure else "")

    def code(self, source: Source | None) -> Code:
        """The program's text around a line."""
        return self.code_of(source.file if source else "")

    def code_of(self, file: str) -> Code:
        """The text of a file of the program."""
        if file not in self._codes:
            self._codes[file] = Code(self.trace.source(file) or "")
        return self._codes[file]

    def line(self, source: Source | None) -> str:
        """The text of a line."""
        return self.trace.line(source)

    def names(self, indexes: Sequence[int]) -> list[str]:
        """Names of parameters."""
        return [self.parameters[index].name for index in indexes]


def _linked(step: Step) -> bool:
    """Whether it is known of every backward of a step which kernels made its nodes."""
    made = (one for one in step.kernels if one.phase == "forward")
    known = {one.backward for one in made if one.node is not None}
    return known >= {one.index for one in step.backwards if one.graph}


def _gap(run: EngineRun, following: EngineRun, index: int, parameter: Parameter) -> Gap:
    here, then = run.row, following.row
    graph = run.graph
    return Gap(
        run=run,
        written=graph is not None
        and graph.kind == "backward"
        and not graph.error
        and index in graph.reached,
        before=_value(here.grads_before, index, parameter),
        grad=_value(here.grads_after, index, parameter),
        found=_value(then.grads_before, index, parameter),
        value=_value(here.values, index, parameter),
        after=_value(then.values, index, parameter),
        updated=differ(_entry(here.values, index), _entry(then.values, index)),
        called=following.called,
    )


def _entry(entries: Sequence[Entry], index: int) -> Entry:
    return entries[index] if index < len(entries) else None


def _value(entries: Sequence[Entry], index: int, parameter: Parameter) -> Value | None:
    return as_value(_entry(entries, index), parameter.dtype, parameter.shape)


def is_zero(value: Value | None) -> bool:
    """Whether it is None or all zero."""
    if value is None:
        return True
    if value.data is not None and value.data.translate(None, _ZEROS):
        return False
    return value.norm == 0.0


def same_bytes(one: Value | None, other: Value | None) -> bool:
    """Whether two values are there and equal to the last bit."""
    return one is not None and one == other


def finite(value: Value | None) -> bool:
    """Whether no element is known to be NaN or infinite."""
    if value is None:
        return True
    if value.data is None:
        summary = value.summary
        return not (summary and (summary.nan_count or summary.inf_count))
    try:
        return bool(np.isfinite(value.array).all())
    except (TypeError, ValueError):  # no numbers: quantized
        return True


def of_a_library(source: Source) -> bool:
    """Whether a line is that of an installed library, whose loop serves other programs, too."""
    return "site-packages" in source.file


def warned(evidence: Evidence, beginning: str) -> tuple[Event, Source | None] | None:
    """The first warning that begins so, with the program's line; None where there was none."""
    for event in evidence.trace.events:
        if event.kind == "warning" and event.message.startswith(beginning):
            return event, _place(event)
    return None


def _place(event: Event) -> Source | None:
    """The line that the first line of the detail names: ``file:line: Category``."""
    file, _, line = event.detail.partition("\n")[0].rpartition(": ")[0].rpartition(":")
    return Source.at(file, int(line)) if line.isdigit() else None


_READ = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*?)\.grad\b")


def missing_grad(evidence: Evidence) -> str:
    """The name whose ``.grad`` was None on the line where the run failed, else ``""``."""
    failure = evidence.failure
    if failure is None or "NoneType" not in failure.message:
        return ""
    return owner_of_grad(evidence.failed_at[1])


def owner_of_grad(line: str) -> str:
    """The name whose ``.grad`` a line reads first, else ``""``."""
    found = _READ.search(line)
    return found[1] if found else ""
