"""A step as slides: one event each, with the graph, the numbers, and what to say about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.analysis.lesson import StepLesson
from autograd_lens.errors import RenderError
from autograd_lens.render.graph_text import code as code_of
from autograd_lens.render.handout.blocks import Block, Cell, Figure, Formulas, Run, Table, runs
from autograd_lens.render.handout.graph import lesson_graph
from autograd_lens.render.handout.player import Teller
from autograd_lens.render.handout.wording import reason
from autograd_lens.render.worked import worked_node, worked_update
from autograd_lens.trace.expr import TEXTBOOK, Equation, write
from autograd_lens.trace.reader import Trace

__all__ = ["Slide", "slides"]

_MOST = 80
_ROWS = 6  # of a slide's table
_ROOM = (270.0, 80.0)  # points that a drawing has between title and table, at its natural size
_LIT = "#92600a"
_TITLE, _VALUE, _GRAD = range(3)  # the lines of a box
_NODE = re.compile(r'<g id="n(\d+)" class="node.*?</g>', re.DOTALL)
_TEXT = re.compile(r"(<text [^>]*>)[^<]*</text>")


@dataclass(frozen=True, slots=True)
class Slide:
    """One slide.

    Attributes:
        title: What happens.
        code: The expression of the program that asked for it, or ``""``.
        figure: The graph, with the node of this event lit; None where there is none.
        blocks: Its numbers and formulas.
        note: What the speaker may say.
        phase: The part of the step that it belongs to.
    """

    title: str
    code: str
    figure: Figure | None
    blocks: tuple[Block, ...]
    note: str
    phase: str


def slides(
    shown: StepLesson, run: Trace, words: Mapping[str, str], draw: Callable[[str], str]
) -> tuple[Slide, ...]:
    """One slide for each event of a step.

    Args:
        shown: The step, at full level.
        run: The run.
        words: The words of a language.
        draw: Draws DOT as SVG.

    Raises:
        RenderError: The step is light, or has more events than a lecture.
    """
    events = [each for each in step_events(shown.step, run.events) if each.kind != "line"]
    if shown.step.level != "full" or not events:
        msg = f"Step {shown.step.index} was recorded light: it has no events to show one by one."
        raise RenderError(msg, hint="Choose one with --steps that opens in full.")
    if len(events) > _MOST:
        msg = f"Step {shown.step.index} has {len(events):,} events; {_MOST} slides are the most."
        raise RenderError(msg, hint="A page goes through more: autograd-lens view.")
    svg = lesson_graph(shown, run.source, draw, _ROOM)
    teller = Teller(shown.step, shown.names, run, words)
    board = _Board(svg, shown)
    return tuple(_slide(event, shown, teller, board) for event in events)


class _Board:
    """The drawing as it fills up: each node with what is known of it by then.

    A drawing of boxes that stand for many nodes does not fill up.
    """

    def __init__(self, svg: str, shown: StepLesson) -> None:
        self._svg = svg
        backward = shown.step.backwards[shown.step.main_backward] if shown.step.backwards else None
        graph = backward.graph if backward else None
        leaves = {each.index for each in graph.nodes if each.variable} if graph else set()
        self._known = {(node, _VALUE) for node in leaves}

    def after(self, event: StepEvent, node: int | None, main: int) -> str:
        """The drawing behind an event, the node that it belongs to lit."""
        if node is not None and event.kind == "kernel":
            self._known.add((node, _VALUE))
        elif node is not None and event.kind in {"node", "grad"} and event.backward == main:
            self._known.add((node, _GRAD))
        drawn = _NODE.sub(self._filled, self._svg)
        return _lit(drawn, node if event.backward == main or event.kind == "kernel" else None)

    def _filled(self, node: re.Match[str]) -> str:
        number, texts = int(node[1]), iter((_TITLE, _VALUE, _GRAD))

        def text(found: re.Match[str]) -> str:
            known = (line := next(texts, _TITLE)) == _TITLE or (number, line) in self._known
            return found[0] if known else f"{found[1]} </text>"

        return _TEXT.sub(text, node[0])


def _slide(event: StepEvent, shown: StepLesson, teller: Teller, board: _Board) -> Slide:
    told = teller.tell(event)
    svg = board.after(event, told.node, shown.step.main_backward)
    rows = tuple(((Run(row.label, "code"),), runs(row.shape), runs(row.text)) for row in told.rows)
    words = teller.words
    head = (words["tensor"], words["shape"], words["numbers"])
    blocks: list[Block] = [Table(head, tuple(_few(rows)), wide=2)] if rows else []
    equations = tuple(_equations(event, shown, teller))
    blocks += [Formulas(equations)] if equations else []
    name = f"graph-{event.phase}-{event.kind}-{event.backward}-{event.item}"
    figure = Figure(svg, "", name) if svg else None
    return Slide(
        told.title,
        " ".join(code_of(event.source, teller.source).split()),
        figure,
        tuple(blocks),
        " ".join([_said(event, teller), *(write(each, TEXTBOOK) for each in equations)]),
        event.phase,
    )


def _few(rows: Iterable[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    """The first and the last of many rows, which leave the drawing its room."""
    found = list(rows)
    if len(found) <= _ROWS:
        yield from found
        return
    half = _ROWS // 2
    yield from [*found[:half], (runs("…"),) * len(found[0]), *found[-half:]]


def _equations(event: StepEvent, shown: StepLesson, teller: Teller) -> Iterator[Equation]:
    if event.kind == "node":
        yield from worked_node(teller.story(event))
    elif event.kind == "update":
        found = worked_update(shown.step.updates[event.item], shown.step.kernels)
        yield from [found.equation] if found else []


def _said(event: StepEvent, teller: Teller) -> str:
    if event.kind != "node":
        return teller.words.get(f"slide_{event.kind}", "")
    told = reason(teller.story(event), teller.words)
    return "".join(
        write(part, TEXTBOOK) if isinstance(part, Equation) else part.text for part in told
    )


def _lit(svg: str, node: int | None) -> str:
    """The drawing with one node's box in another colour."""
    if node is None:
        return svg
    shape = r'(.*?<(?:path|polygon) fill=")[^"]*(" stroke=")[^"]*(")'
    box = re.compile(rf'(<g id="n{node}" class="node[^"]*">){shape}', re.DOTALL)
    return box.sub(rf"\g<1>\g<2>#fdf0cf\g<3>{_LIT}\g<4>", svg, count=1)
