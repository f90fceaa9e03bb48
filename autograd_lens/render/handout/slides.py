"""A step as slides: one event each, with the graph, the numbers, and what to say about it.

NOTE 1 [Long steps]: of a step with more events than a lecture has room for, each slide shows a
*stretch*: what ran one after the other in one box of the drawing, and in one phase. Where that is
too much as well, what ran in one frame of the drawing, such as a layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.analysis.lesson import StepLesson
from autograd_lens.errors import RenderError
from autograd_lens.render.graph_cards import box_title
from autograd_lens.render.graph_text import code as code_of
from autograd_lens.render.graph_text import shorten
from autograd_lens.render.handout.blocks import Block, Cell, Figure, Formulas, Run, Table, runs
from autograd_lens.render.handout.graph import folds, lesson_graph, sheet_graph
from autograd_lens.render.handout.player import Teller, Told
from autograd_lens.render.handout.wording import reason
from autograd_lens.render.rooms import Box, Rooms, Sheet
from autograd_lens.render.worked import worked_node, worked_update
from autograd_lens.trace.expr import TEXTBOOK, Equation, write
from autograd_lens.trace.reader import Trace

__all__ = ["Slide", "slides"]

_MOST = 80
_ROWS = 6  # of a slide's table
_HEADLINE, _LINE = 90, 56  # letters
_ROOM = (270.0, 80.0)  # points that a drawing has between title and table, at its natural size
_LIT = "#92600a"
_TITLE, _VALUE, _GRAD = range(3)  # the lines of a box
_NODE = re.compile(r'<g id="n(\d+)" class="node.*?</g>', re.DOTALL)
_TEXT = re.compile(r"(<text [^>]*>)[^<]*</text>")


_Happening = tuple[StepEvent, Told]


class _Place(NamedTuple):
    """A box of the drawing in one of its repetitions: its name there, and which."""

    name: str
    turn: int


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
    """One slide for each event of a step, or for each stretch of a long one (NOTE 1).

    Args:
        shown: The step, at full level.
        run: The run.
        words: The words of a language.
        draw: Draws DOT as SVG.

    Raises:
        RenderError: The step is light, or has more stretches than a lecture.
    """
    events = [each for each in step_events(shown.step, run.events) if each.kind != "line"]
    if shown.step.level != "full" or not events:
        msg = f"Step {shown.step.index} was recorded light: it has no events to show one by one."
        raise RenderError(msg, hint="Choose one with --steps that opens in full.")
    teller = Teller(shown.step, shown.names, run, words)
    board = _Board(shown, teller, draw)
    if len(events) <= _MOST:
        return tuple(_slide(event, shown, teller, board) for event in events)
    found = [(event, teller.tell(event)) for event in events]
    for where in (board.part, board.frame):
        stretches = _stretches(found, board, where)
        if len(stretches) <= _MOST:
            numbered = enumerate(stretches)
            return tuple(_part(number, *each, board, teller) for number, each in numbered)
    msg = f"Step {shown.step.index} has {len(events):,} events; {_MOST} slides are the most."
    raise RenderError(msg, hint="A page goes through more: autograd-lens view.")


class _Board:
    """The drawing as it fills up: each node with what is known of it by then.

    A drawing of boxes that stand for many nodes does not fill up.
    """

    def __init__(self, shown: StepLesson, teller: Teller, draw: Callable[[str], str]) -> None:
        self.main = shown.step.main_backward
        self.outline = of = teller.outline(self.main)
        nodes = of.graph.nodes if of else ()
        self._known = {(each.index, _VALUE) for each in nodes if each.variable}
        self._folded = of is not None and folds(of.graph)
        if of and self._folded and self._sheet:
            titles = [box_title(of, leaf) for leaf in self._sheet.leaves]
            self._svg = sheet_graph(self._sheet, titles, draw, _ROOM)
        else:
            self._svg = lesson_graph(shown, teller.source, draw, _ROOM)

    @cached_property
    def _sheet(self) -> Sheet | None:
        return Rooms(self.outline).fitting() if self.outline else None

    @cached_property
    def _turns(self) -> Sequence[tuple[tuple[int, ...], ...]]:
        return self._sheet.turns() if self._sheet else ()

    def part(self, node: int | None) -> _Place | None:
        """The box of a sheet that a node stands in, and in which of its repetitions."""
        place = self._place(node)
        if place is None or self._sheet is None:
            return None
        box, turn = self._sheet.leaves[place], _turn(node, self._turns[place])
        frame = self._around(box)
        if box.kind == "room" and frame.kind == "room" and frame is not box:
            first, this = frame.names[0], frame.names[turn]
            return _Place(box.name.replace(first, this, 1), turn)
        return _Place(self._title(box, turn), turn)

    def frame(self, node: int | None) -> _Place | None:
        """The frame that a node stands in, and in which of its repetitions."""
        place = self._place(node)
        if place is None or self._sheet is None:
            return None
        frame = self._around(self._sheet.leaves[place])
        turn = _turn(node, frame.copies)
        return _Place(self._title(frame, turn), turn)

    def _around(self, leaf: Box) -> Box:
        boxes = self._sheet.boxes if self._sheet else ()
        return next(one for one in boxes if any(each is leaf for each in one.leaves()))

    def _title(self, box: Box, turn: int) -> str:
        if box.kind == "room" and len(box.names) == len(box.copies):
            return box.names[turn]
        return box_title(self.outline, box) if self.outline else ""

    def _place(self, node: int | None) -> int | None:
        return self._sheet.box_of.get(node) if self._sheet and node is not None else None

    def after(self, found: Iterable[_Happening]) -> str:
        """The drawing behind some events, each box that they belong to lit."""
        keys = set[str]()
        for event, node in ((event, told.node) for event, told in found):
            if node is None or not (event.backward == self.main or event.kind == "kernel"):
                continue
            keys.add(f"g{self._place(node)}" if self._folded else f"n{node}")
            if event.kind == "kernel":
                self._known.add((node, _VALUE))
            elif event.kind in {"node", "grad"}:
                self._known.add((node, _GRAD))
        drawn = self._svg if self._folded else _NODE.sub(self._filled, self._svg)
        for key in sorted(keys):
            drawn = _lit(drawn, key)
        return drawn

    def _filled(self, node: re.Match[str]) -> str:
        number, texts = int(node[1]), iter((_TITLE, _VALUE, _GRAD))

        def text(found: re.Match[str]) -> str:
            known = (line := next(texts, _TITLE)) == _TITLE or (number, line) in self._known
            return found[0] if known else f"{found[1]} </text>"

        return _TEXT.sub(text, node[0])


def _slide(event: StepEvent, shown: StepLesson, teller: Teller, board: _Board) -> Slide:
    told = teller.tell(event)
    svg = board.after([(event, told)])
    rows = tuple(((Run(row.label, "code"),), runs(row.shape), runs(row.text)) for row in told.rows)
    words = teller.words
    head = (words["tensor"], words["shape"], words["numbers"])
    blocks: list[Block] = [Table(head, tuple(_few(rows)), wide=2)] if rows else []
    equations = tuple(_equations(event, shown, teller))
    blocks += [Formulas(equations)] if equations else []
    name = f"graph-{event.phase}-{event.kind}-{event.backward}-{event.item}"
    figure = Figure(svg, "", name) if svg else None
    return Slide(
        shorten(told.title, _HEADLINE),
        " ".join(code_of(event.source, teller.source).split()),
        figure,
        tuple(blocks),
        " ".join([_said(event, teller), *(write(each, TEXTBOOK) for each in equations)]),
        event.phase,
    )


# --- long steps (NOTE 1) -------------------------------------------------------------------


def _turn(node: int | None, turns: Sequence[Sequence[int]]) -> int:
    return next((turn for turn, nodes in enumerate(turns) if node in nodes), 0)


def _stretches(
    found: Sequence[_Happening], board: _Board, where: Callable[[int | None], _Place | None]
) -> list[tuple[_Place | None, list[_Happening]]]:
    """What ran one after the other in one place; what stands in none goes with what is before."""
    last: _Place | None = None
    keyed: list[tuple[tuple[str, int, _Place | None], _Happening]] = []
    for event, told in found:
        if event.phase not in {"forward", "backward"}:
            last = None
        elif event.backward == board.main or event.kind == "kernel":
            last = where(told.node) or last
        keyed.append(((event.phase, event.backward, last), (event, told)))
    groups = groupby(keyed, key=lambda each: each[0])
    return [(place, [one for _, one in each]) for (_, _, place), each in groups]


def _part(
    number: int, place: _Place | None, found: Sequence[_Happening], board: _Board, teller: Teller
) -> Slide:
    """One slide for what ran in one place: its events, the first and the last of them."""
    words, phase = teller.words, found[0][0].phase
    what = place.name if place else found[0][1].title
    if place and what[:1].isdecimal():
        what = words["slide_module"].format(name=what)
    kinds = {"forward": "event_forward", "backward": "event_backward"}
    title = words[kinds[phase]].format(what=what) if place and phase in kinds else what
    if len(found) > 1 and phase not in kinds:
        title = words["event_updates" if phase == "update" else "slide_zeros"]
    svg = board.after(found)
    rows = tuple(
        (
            (Run(shorten(told.title, _LINE)),),
            runs(row.shape if row else ""),
            runs(row.text if row else ""),
        )
        for _, told in found
        for row in [next((one for one in reversed(told.rows) if one.written), None)]
    )
    head = (words["slide_events"].format(count=len(rows)), words["shape"], words["numbers"])
    return Slide(
        title,
        "",
        Figure(svg, "", f"graph-part-{number}") if svg else None,
        (Table(head, tuple(_few(rows)), wide=2),),
        "\n".join(dict.fromkeys(told.title for _, told in found)),
        phase,
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


def _lit(svg: str, key: str) -> str:
    """The drawing with one box in another colour."""
    shape = r'(.*?<(?:path|polygon) fill=")[^"]*(" stroke=")[^"]*(")'
    box = re.compile(rf'(<g id="{key}" class="node[^"]*">){shape}', re.DOTALL)
    return box.sub(rf"\g<1>\g<2>#fdf0cf\g<3>{_LIT}\g<4>", svg, count=1)
