"""What each pane shows of a session: pure, a session in, pages out."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import RenderableType
from rich.text import Text

from autograd_lens.analysis.events import StepEvent
from autograd_lens.analysis.explain import explain_gradient, explain_loss
from autograd_lens.render.explain import render_derivation, render_evaluation
from autograd_lens.render.layout import QUIET
from autograd_lens.render.numbers import scalar
from autograd_lens.render.step_view import StepView, TraceOptions
from autograd_lens.render.stepper.descent import loss_lines, map_lines, timeline
from autograd_lens.render.stepper.detail import detail_lines, finding_lines
from autograd_lens.render.stepper.panes import (
    event_lines,
    highlighted,
    parameter_lines,
    source_lines,
)
from autograd_lens.trace.cache import Recent
from autograd_lens.trace.info import RunStatus
from autograd_lens.trace.records import Backward
from autograd_lens.tui.session import Opened, Session
from autograd_lens.tui.widgets import Page

__all__ = ["Pages"]

_SIDE_BY_SIDE = 60  # columns from which curve and map stand beside each other
_NOTHING = Text("No step was recorded yet.", style=QUIET)
_STATUS: dict[RunStatus, str] = {
    "running": "still running",
    "finished": "",
    "exception": "ended by an error",
    "interrupted": "interrupted",
    "stopped": "stopped as asked",
    "killed": "killed",
}
_PROVENANCE = {"recorded": "", "proved": "proved", "differs": "replay differs!"}
_VIEWS = 16
_WIDE = 400  # columns; panes cut lines to their own width


class _Listed(NamedTuple):
    """The events of a step as lines."""

    opened: Opened
    lines: list[Text]
    places: list[int]


class Pages:
    """Writes the panes of a session.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._code: dict[str, list[Text]] = {}
        self._events: Recent[int, _Listed] = Recent(_VIEWS)
        self._views: Recent[tuple[int, int], StepView] = Recent(_VIEWS)

    def source(self, _width: int, _height: int) -> Page:
        """The program, the current line marked."""
        current = self._session.current
        at = current.source if current else None
        file = at.file if at else self._session.trace.info.program
        arrow = "◀" if current and current.kind == "node" else "▶"  # back through this line
        lines, marked = source_lines(self._highlighted(file), at, arrow)
        if not lines:
            words = "The code of this event is not in the trace." if file else "No code."
            return Page([Text(words, style=QUIET)])
        return Page(lines, marked, file.replace("\\", "/").rpartition("/")[2])

    def _highlighted(self, file: str) -> list[Text]:
        if file not in self._code:
            self._code[file] = highlighted(self._session.trace.source(file) or "")
        return self._code[file]

    def events(self, _width: int, _height: int) -> Page:
        """The events of the step, the current one marked."""
        opened = self._session.opened
        if opened is None:
            return Page([_NOTHING])
        if not opened.events:
            return Page([Text("Nothing was recorded in this step.", style=QUIET)])
        lines, places = self._listed(opened)[1:]
        marked = places[self._session.event]
        shown = [*lines]
        shown[marked] = Text.assemble(("▶", "bold magenta"), lines[marked][1:])
        return Page(shown, marked, f"{self._session.event + 1} of {len(opened.events)}")

    def event_at(self, line: int) -> int | None:
        """The event on a line of the events, or None."""
        opened = self._session.opened
        places = self._listed(opened).places if opened else []
        return places.index(line) if line in places else None

    def _listed(self, opened: Opened) -> _Listed:
        known = self._events.get(opened.step.index)
        if known is not None and known.opened is opened:  # a replay shows another step
            return known
        view = self.view(opened, _WIDE)
        lines, places = event_lines(view, opened.events, self._session.trace.events)
        return self._events.put(opened.step.index, _Listed(opened, lines, places))

    def view(self, opened: Opened, width: int) -> StepView:
        """The step, ready to be written."""
        known = self._views.get((opened.step.index, width))
        if known is None or known.step is not opened.step:  # a replay shows another step
            view = StepView(opened.step, self._session.trace.source, TraceOptions(width=width))
            known = self._views.put((opened.step.index, width), view)
        return known

    def detail(self, width: int, _height: int) -> Page:
        """The current event in detail."""
        opened, current = self._session.opened, self._session.current
        if opened is None or current is None:
            return Page([_NOTHING])
        lines = detail_lines(self.view(opened, width), current, self._session.trace.events)
        finding = self._session.finding
        if finding is None:
            return Page(lines)
        return Page([*finding_lines(finding, width), Text(), *lines], title=finding.code)

    def parameters(self, width: int, _height: int) -> Page:
        """Value, gradient and change of each parameter, as of the current event."""
        opened = self._session.opened
        if opened is None:
            return Page([_NOTHING])
        course = self._session.overview.courses.get
        held = opened.states.at(self._session.event)
        lines = parameter_lines(held, width, course, self.share)
        return Page(lines)

    @property
    def share(self) -> float:
        """How far into the run we are, from 0 to 1."""
        return self._session.step / max(self._session.steps - 1, 1)

    def descent(self, width: int, height: int) -> Page:
        """The loss over the steps, and the map beside or below it."""
        descent, here = self._session.overview.descent, self.share
        if descent.path is None:
            return Page(loss_lines(descent, here, width, height))
        if width < _SIDE_BY_SIDE:
            upper = max(height // 2, 2)
            return Page(
                loss_lines(descent, here, width, upper)
                + map_lines(descent, here, width, max(height - upper, 2))
            )
        left = width // 2 - 1
        return Page(
            _beside(
                loss_lines(descent, here, left, height),
                map_lines(descent, here, width - left - 2, height),
                left + 2,
            )
        )

    def explanation(self, opened: Opened, current: StepEvent | None) -> tuple[RenderableType, str]:
        """The derivation of the gradient that an event is about, and its title.

        Raises:
            LensError: There is nothing to derive.
        """
        view = self.view(opened, 80)
        name = _parameter_of(opened, current)
        if name is None:
            evaluation = explain_loss(opened.step)
            return render_evaluation(view, evaluation), f"loss, step {opened.step.index:,}"
        derivation = explain_gradient(opened.step, name, view.names)
        title = f"{name}.grad, step {opened.step.index:,}"
        return render_derivation(view, derivation), title

    def timeline(self, width: int) -> Text:
        """All steps on one line."""
        session = self._session
        return timeline(session.steps, session.step, width, session.marks())

    def status(self, note: str) -> Text:
        """Which run, which step, how it was recorded, its loss; a note behind."""
        session, opened = self._session, self._session.opened
        text = Text.assemble((f" {session.trace.path.name} ", "bold reverse"), " ")
        ended = _STATUS[session.trace.info.status]
        if opened is None:
            return text.append(f"no steps yet  {ended}  {note}".rstrip())
        step = opened.step
        text.append(f"step {step.index:,}", style="bold").append(f" of {session.steps:,}")
        parts = [step.level, _PROVENANCE.get(step.provenance, step.provenance), _loss(step.loss)]
        for part in [*parts, ended, note]:
            text.append(f"  {part}" if part else "")
        return text


def _parameter_of(opened: Opened, event: StepEvent | None) -> str | None:
    """The parameter that an event is about, else the last one reached; None for the forward."""
    if event is None or event.phase == "forward":
        return None
    step = opened.step
    if event.kind == "update":
        return step.updates[event.item].parameter
    if event.kind == "zero":
        return step.zero_grads[event.item].parameter
    if event.kind == "grad":
        return step.backwards[event.backward].grad_writes[event.item].parameter
    if event.kind == "node" and (near := _nearest(step.backwards[event.backward], event.item)):
        return near
    writes = [write.parameter for each in step.backwards for write in each.grad_writes]
    return writes[-1] if writes else None


def _nearest(backward: Backward, place: int) -> str | None:
    """The parameter that a node is the accumulator of, or hands a gradient to."""
    if backward.graph is None:
        return None
    nodes, node = backward.graph.nodes, backward.node_runs[place].node
    receivers = [edge.to_node for edge in backward.graph.edges if edge.from_node == node]
    variables = [nodes[each].variable for each in (node, *receivers)]
    return next((variable for variable in variables if variable), None)


def _loss(loss: float | None) -> str:
    return "no backward" if loss is None else f"loss {scalar(loss)}"


def _beside(left: list[Text], right: list[Text], column: int) -> list[Text]:
    rows = max(len(left), len(right))
    padded = [part + [Text()] * (rows - len(part)) for part in (left, right)]
    return [
        one.copy().append(" " * (column - one.cell_len)).append_text(other)
        for one, other in zip(*padded, strict=True)
    ]
