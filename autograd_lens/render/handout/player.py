"""What a page's player knows: the run as numbers, its full steps event by event, its graphs.

NOTE 1 [Form and numbers]: steps of one structure have the same events. What they have in common
(titles, lines, names, nodes) is a *form*, stored once; a step is the number of its form and, for
each event, the strings that differ.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.cursor import States
from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.analysis.lesson import KEPT, Lesson, OtherDescent, StepLesson
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.rates import RateGroup, find_rates
from autograd_lens.analysis.story import NodeStory, Stories, operation
from autograd_lens.errors import RenderError
from autograd_lens.render.graph_cards import box_title
from autograd_lens.render.graph_outline import Outline, outline
from autograd_lens.render.graph_text import SourceOf, line, shorten
from autograd_lens.render.handout.blocks import Code
from autograd_lens.render.handout.figures import Axes, best_point, descent_axes, loss_axes
from autograd_lens.render.handout.graph import WIDEST, cleaned, live_dot
from autograd_lens.render.handout.heat import heat
from autograd_lens.render.handout.html import listing, text_html
from autograd_lens.render.handout.wording import (
    box_words,
    computation,
    first_element,
    reason,
    shape_text,
    value_text,
)
from autograd_lens.render.numbers import histogram
from autograd_lens.render.rooms import Rooms, Sheet
from autograd_lens.render.worked import worked_node, worked_update
from autograd_lens.trace.expr import Equation
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Kernel, Step, TensorUse
from autograd_lens.trace.values import Floats, Value, digest

__all__ = ["Player", "player"]

Words = Mapping[str, str]
Json = dict[str, Any]

_MOST_STEPS = 5000
_MOST_EVENTS = 12_000  # of all full steps together; of these at least two are played
_WORKED = 200  # events of a step whose formulas are worked out with its numbers
_FLAT = 40  # nodes of a graph that is drawn whole
_WRITTEN_OUT = 4  # elements; of more the histogram is shown
_COLUMNS = 240  # of the maps over the steps
_MOST_HEAT = 1_500_000  # letters of all pictures of tensors together
_SAID = (
    *("event_of", "light_event", "event_loss", "event_grads", "event_updates", "run", "pause"),
    *(
        "step",
        "loss",
        "not_kept",
        "brief_hint",
        "whole_graph",
        "found",
        "found_none",
        "hidden",
        "copy_of",
    ),
    *("grad_norm", "update_ratio", "rate_said", "rate_gone", "open_step", "in_module"),
    *(
        "made_by",
        "read_by",
        "heat_one",
        "heat_mean",
        "heat_tiles",
        "heat_colours",
        "start_said",
        "start_gone",
    ),
)


@dataclass(frozen=True, slots=True)
class Player:
    """The parts of a page that plays a run.

    Attributes:
        data: What its script reads, as JSON that may stand inside a page.
        sheets: The drawings of the graph's rooms, as HTML.
        code: The program's lines, as HTML.
        missing: Why there are no drawings; ``""`` where there are.
    """

    data: str
    sheets: str
    code: str
    missing: str


def player(
    lesson: Lesson,
    run: Trace,
    words: Words,
    *,
    draw: Callable[[str], str],
    whole: bool = False,
) -> Player:
    """Make all that a page needs to play a run.

    Args:
        lesson: The run, ordered for reading.
        run: The run as it was recorded.
        words: The words of a language.
        draw: Draws DOT as SVG.
        whole: Whether whole source files are shown, and not just what the lesson shows.
    """
    steps = _sampled(lesson)
    made = _Maker(run, words, draw)
    full = made.steps(lesson)
    blocks = _files(run, made.files) if whole else _excerpts(lesson, made.files)
    path = lesson.path
    plain = {
        "steps": None if len(steps) == lesson.count else steps.tolist(),
        "count": len(steps),
        "names": path.names,
        "losses": _packed(path.losses[steps]),
        "values": _packed(path.values[np.append(steps, len(path.values) - 1)]),
        "grads": _packed(path.grads[steps]),
        "after": _packed(path.values[steps + 1]),
        "states": _states(
            path.value_states[steps], path.grad_states[steps], path.value_states[steps + 1]
        ),
        "descent": _frame(descent_axes(path, best_point(lesson))),
        "lossFrame": _frame(loss_axes(path.losses, words)),
        "parameters": list(made.parameters),
        "forms": made.forms,
        "full": full,
        "heats": list(made.heats),
        "maps": _maps(lesson.count, run),
        "rates": [_rate(group) for group in find_rates(run).groups],
        "tried": [_tried(each) for each in lesson.others],
        "starts": [_tried(each) for each in lesson.starts],
        "words": {key: words[key] for key in _SAID},
    }
    # `</script>` in a name of the program must not end the script
    data = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    code = "".join(listing(Code(lines, first), f"L{file}-") for file, first, lines in blocks)
    return Player(data, "".join(made.sheets.values()), code, made.missing)


# --- numbers over the steps ----------------------------------------------------------------


def _sampled(lesson: Lesson) -> npt.NDArray[np.int64]:
    if lesson.count <= _MOST_STEPS:
        return np.arange(lesson.count)
    even = np.linspace(0, lesson.count - 1, _MOST_STEPS).round().astype(np.int64)
    return np.unique(np.append(even, [each.step.index for each in lesson.played]))


def _states(*tables: npt.NDArray[np.uint8]) -> list[str] | None:
    """What is held of values, grads and values after; None where all was kept."""
    if all((table == KEPT).all() for table in tables):
        return None
    return [base64.b64encode(np.ascontiguousarray(table).tobytes()).decode() for table in tables]


def _packed(numbers: Floats) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, "<f8").tobytes()).decode()


def _frame(axes: Axes | None) -> Json | None:
    if axes is None:
        return None
    right, bottom = axes.width - axes.right, axes.height - axes.bottom
    box = (axes.left, axes.top, right, bottom)
    return {"x": axes.x, "y": axes.y, "box": box, "log": axes.log}


def _rate(group: RateGroup) -> Json:
    return {"name": group.optimizer, "rates": group.rates, "sampled": group.sampled}


def _tried(other: OtherDescent) -> Json:
    return {
        "rate": other.rate,
        "losses": _packed(other.losses),
        "points": _packed(other.points.ravel()),
    }


def _maps(count: int, run: Trace) -> Json:
    """Norms of gradients, and updates as shares of the weights: rows of parameters, over steps.

    NaN is not known, -1 is a gradient of None, infinity one that is not finite.
    """
    steps = np.unique(np.linspace(0, count - 1, min(count, _COLUMNS)).round().astype(int)).tolist()
    names = list(run.parameters)
    grads = np.full((len(names), len(steps)), np.nan, np.float32)
    shares = grads.copy()
    broken = []
    for column, step in enumerate(steps):
        known = run.light(step).parameters
        for row, name in enumerate(names):
            if (each := known.get(name)) is None:
                continue
            norm = -1.0 if each.grad is None else each.grad.norm
            if not np.isfinite(norm):
                broken.append(step)
            grads[row, column] = norm if np.isfinite(norm) else np.inf
            shares[row, column] = _share(each.before, each.after)
    packed = [base64.b64encode(table.astype("<f4").tobytes()).decode() for table in (grads, shares)]
    return {"steps": steps, "grads": packed[0], "shares": packed[1], "broken": sorted({*broken})}


def _share(before: Value | None, after: Value | None) -> float:
    """The size of an update as a share of what it changed; NaN where it is not known."""
    if before is None or after is None or not (before.complete and after.complete):
        return np.nan
    if before.shape != after.shape:
        return np.nan
    size = before.norm
    with np.errstate(all="ignore"):
        moved = float(np.linalg.norm((after.array - before.array).astype(np.complex128).ravel()))
    return moved / size if size else np.nan


# --- code ----------------------------------------------------------------------------------

_Block = tuple[int, int, tuple[str, ...]]
_MOST_LINES = 4000


def _files(run: Trace, files: Mapping[str, int]) -> list[_Block]:
    """The whole text of each file that an event stands in."""
    found = []
    for file, number in files.items():
        lines = (run.source(file) or "").splitlines()[:_MOST_LINES]
        if lines:
            found.append((number, 1, tuple(lines)))
    return found


def _excerpts(lesson: Lesson, files: Mapping[str, int]) -> list[_Block]:
    return [(files.get(block.file, len(files)), block.first, block.lines) for block in lesson.code]


# --- full steps ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Maker:
    """Puts the full steps of a run into forms and numbers (NOTE 1).

    Attributes:
        run: The run.
        words: The words of a language.
        draw: Draws DOT as SVG.
        forms: The forms.
        sheets: The HTML of each drawing by its DOT.
        files: The number of each source file.
        heats: The number of each picture of a tensor.
        missing: Why nothing was drawn; ``""`` where it was.
    """

    run: Trace
    words: Words
    draw: Callable[[str], str]
    forms: list[Json] = field(default_factory=list)
    sheets: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    heats: dict[str, int] = field(default_factory=dict)
    missing: str = ""
    _known: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _heated: int = 0

    @property
    def parameters(self) -> Mapping[str, int]:
        """The number of each parameter."""
        return {name: number for number, name in enumerate(self.run.parameters)}

    def steps(self, lesson: Lesson) -> Json:
        """Each step that is played, by its number."""
        found: Json = {}
        room = _MOST_EVENTS
        for each in _spread(lesson):
            events = step_events(each.step, self.run.events)
            room -= len(events)
            if room < 0 and len(found) > 1:
                break
            found[str(each.step.index)] = self._step(each.step, each.names, events)
        return dict(sorted(found.items(), key=lambda item: int(item[0])))

    def _step(self, step: Step, names: Names, events: Sequence[StepEvent]) -> Json:
        say = Teller(step, names, self.run, self.words, worked=len(events) <= _WORKED)
        told = [say.event(event, self.file) for event in events]
        states = States(step, events)
        changes = [list(self._changes(states, place)) for place in range(len(events))]
        keys = _numbered(row.key for each in told for row in each.rows)
        form = {
            "events": [
                {
                    **each.form,
                    "r": [row.form(keys) for row in each.rows],
                    "c": [change[:2] for change in changed],
                }
                for each, changed in zip(told, changes, strict=True)
            ],
            "graphs": [self._graph(each) for each in say.outlines],
        }
        key = json.dumps(form)
        if key not in self._known:
            self._known[key] = len(self.forms)
            self.forms.append(form)
        first = states.at(0)
        return {
            "form": self._known[key],
            "v": [[*(row.text for row in each.rows), each.more] for each in told],
            "h": [[self._heat(row.value) for row in each.rows] for each in told],
            "c": [[change[2] for change in changed] for changed in changes],
            "p": [
                [self.text(held.before), self.text(held.grad_before)] if held else None
                for held in (first.get(name) for name in self.run.parameters)
            ],
            "n": [list(_node_numbers(each)) for each in say.outlines],
            "said": step.provenance if step.provenance != "recorded" else "",
        }

    def _changes(self, states: States, place: int) -> Iterator[tuple[int, str, str]]:
        for name, held in states.at(place).items():
            if held.moved:
                yield self.parameters[name], "v", self.text(held.after)
            if held.regraded:
                yield self.parameters[name], "g", self.text(held.grad)

    def _heat(self, value: Value | None) -> int:
        """The number of a value's picture; -1 where there is none, or no room for more."""
        name = digest(value) if value is not None else None
        if value is None or name is None:
            return -1
        key = f"{name} {value.shape}"
        if key not in self._seen:
            drawn = heat(value) if self._heated < _MOST_HEAT else ""
            self._heated += len(drawn) if drawn not in self.heats else 0
            self._seen[key] = self.heats.setdefault(drawn, len(self.heats)) if drawn else -1
        return self._seen[key]

    def text(self, value: Value | None) -> str:
        """A value in a few words."""
        return value_text(value, self.words)

    def file(self, name: str) -> int:
        """The number of a source file."""
        return self.files.setdefault(name, len(self.files))

    # --- graphs ----------------------------------------------------------------------------

    def _graph(self, of: Outline) -> Json:
        rooms = Rooms(of)
        leaving: dict[int, list[int]] = {}
        for edge in of.graph.edges:
            leaving.setdefault(edge.from_node, []).append(edge.to_node)
        waiting, drawn = [""], dict[str, Json]()
        while waiting:
            room = waiting.pop()
            sheet = rooms.flat() if len(of.graph.nodes) <= _FLAT else rooms.sheet(room)
            drawn[room] = self._room(of, rooms, sheet)
            below = {name for box in sheet.boxes for leaf in box.leaves() for name in leaf.names}
            waiting += sorted(below - drawn.keys() - {*waiting})
        nodes = of.graph.nodes
        return {
            "nodes": [operation(node, of.kernel(node)) for node in nodes],
            "variables": {node.index: node.variable for node in nodes if node.variable},
            "out": [leaving.get(node.index, []) for node in nodes],
            "rooms": drawn,
        }

    def _room(self, of: Outline, rooms: Rooms, sheet: Sheet) -> Json:
        boxes = [
            {
                "copies": copies,
                "names": leaf.names,
                "uses": rooms.parameters(leaf.nodes) if leaf.kind != "node" else (),
            }
            for leaf, copies in zip(sheet.leaves, sheet.turns(), strict=True)
        ]
        return {"sheet": self._drawn(of, sheet), "boxes": boxes}

    def _drawn(self, of: Outline, sheet: Sheet) -> int:
        titles = [_title(of, sheet, place) for place in range(len(sheet.leaves))]
        dot = live_dot(sheet, titles)
        if dot not in self.sheets and not self.missing:
            number = len(self.sheets)
            try:
                svg = cleaned(self.draw(dot), f"s{number}-")
            except RenderError as error:
                self.missing = str(error)
                return -1
            self.sheets[dot] = f'<div class="sheet" id="sheet{number}" hidden>{svg}</div>'
        return list(self.sheets).index(dot) if dot in self.sheets else -1


def _spread(lesson: Lesson) -> Iterator[StepLesson]:
    """The steps that can be played: ends first, so that what fits tells of the whole run."""
    played = list(lesson.played)
    order = [*played[:2], *played[-1:], *played[2:-1]] if len(played) > 2 else played
    return iter(order)


def _title(of: Outline, sheet: Sheet, place: int) -> str:
    box = sheet.leaves[place]
    node = of.graph.nodes[box.nodes[-1]]
    if node.variable is not None:
        return node.variable
    if box.kind == "node" and (kernel := of.kernel(node)) is not None:
        times = f" ×{len(box.copies)}" if len(box.copies) > 1 else ""
        return f"{box_words(kernel, of.stories.names, WIDEST - len(times))}{times}"
    return box_title(of, box).removeprefix(f"{sheet.room}.")


def _node_numbers(of: Outline) -> Iterator[list[object]]:
    """The first number of each node's value and gradient, and the norms of both."""
    runs = {run.node: run for run in of.backward.node_runs}
    for node in of.graph.nodes:
        kernel, run = of.kernel(node), runs.get(node.index)
        known = of.step.parameters.get(node.variable or "")
        value = kernel.outputs[0].value if kernel and kernel.outputs else None
        value = known.before if known else value
        grad = next((each for each in run.grad_outputs if each is not None), None) if run else None
        yield [_first(value), _first(grad), _norm(grad), _norm(value)]


def _norm(value: Value | None) -> float | str | None:
    """A norm in four digits; its name where it is not finite."""
    norm = float(value.norm) if value is not None else None
    return norm if norm is None else float(f"{norm:.4g}") if np.isfinite(norm) else str(norm)


def _first(value: Value | None) -> str:
    text = first_element(value)
    return f"{text} …" if text and value is not None and value.numel > 1 else text


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor that an event read or wrote.

    Attributes:
        name: Its name.
        shape: Its shape, in words.
        text: Its value, in words.
        value: Its value.
        key: The same in all rows of a step that show this tensor; ``""`` where that is not known.
        written: Whether the event made or wrote it.
    """

    name: str
    shape: str
    text: str
    value: Value | None = None
    key: str = ""
    written: bool = False

    def form(self, keys: Mapping[str, int]) -> list[str | int]:
        """What steps of one form share: the number of its key is negative where it is written."""
        number = keys.get(self.key, 0)
        return [self.label, self.shape, -number if self.written else number]

    @property
    def label(self) -> str:
        """Its name, with an arrow before what the event wrote."""
        return f"→ {self.name}" if self.written else self.name


def _numbered(keys: Iterable[str]) -> dict[str, int]:
    """Keys by the order in which they come, from 1."""
    return {key: number for number, key in enumerate(dict.fromkeys(filter(None, keys)), 1)}


class _Said(NamedTuple):
    """What is the same in steps of one form, the tensors of an event, and a remark."""

    form: Json
    rows: Sequence[Row]
    more: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An event in words.

    Attributes:
        title: What happens.
        node: The node of the graph that it belongs to, or None.
        rows: Its tensors.
    """

    title: str
    node: int | None
    rows: Sequence[Row]


class Teller:
    """Puts the events of one step into words: what steps of its form share, and its numbers.

    Args:
        step: The step.
        names: Names of its tensors.
        run: The run.
        words: The words of a language.
        worked: Whether the arithmetic of each node is told.
    """

    def __init__(
        self, step: Step, names: Names, run: Trace, words: Words, *, worked: bool = False
    ) -> None:
        self.step = step
        self._worked = worked
        self.names = names
        self.words = words
        self._run_events = run.events
        self._index = TapeIndex(step)
        source: SourceOf = run.source
        self.source = source
        self.outlines: list[Outline] = []
        self._graph_of: dict[int, int] = {}
        for backward in step.backwards:
            if backward.graph is not None and backward.graph.nodes:
                self._graph_of[backward.index] = len(self.outlines)
                self.outlines.append(outline(step, backward.index, source))
        if not step.backwards and any(kernel.requires_grad for kernel in step.kernels):
            self.outlines.append(outline(step, 0, source))
        self._made: dict[int, dict[int, int]] = {}
        for graph, of in enumerate(self.outlines):
            for node in of.graph.nodes:
                if node.forward_kernel is not None:
                    self._made.setdefault(node.forward_kernel, {})[graph] = node.index
        self._stories: dict[int, Stories] = {}

    def outline(self, backward: int) -> Outline | None:
        """The graph of a backward, or None where there is none."""
        graph = self._graph_of.get(backward)
        return None if graph is None else self.outlines[graph]

    def tell(self, event: StepEvent) -> Told:
        """What an event says, for one to read."""
        form, rows, _ = self._told(event)
        nodes = form.get("n", {})
        node = nodes.get(self._graph_of.get(event.backward), next(iter(nodes.values()), None))
        if "a" in form and event.backward < len(self.step.backwards):
            node = self._leaves(event.backward).get(form["a"])
        return Told(form["t"], node, rows)

    def _told(self, event: StepEvent) -> _Said:
        tell = {
            "line": self._line,
            "kernel": self._kernel,
            "engine": self._engine,
            "node": self._node,
            "grad": self._grad,
            "update": self._update,
            "zero": self._zero,
            "run": self._run,
        }
        return tell[event.kind](event)

    def event(self, event: StepEvent, file: Callable[[str], int]) -> _Said:
        """What an event says: what steps of its form share, its tensors, and a remark.

        Args:
            event: The event.
            file: The number of a source file.
        """
        form, rows, more = self._told(event)
        source = event.source
        module = form.pop("m", "")
        plain = {
            "k": event.kind,
            "p": event.phase,
            "l": [file(source.file), source.line] if source else None,
            "m": module,
            "g": self._graph_of.get(event.backward, -1),
            **form,
        }
        return _Said(plain, rows, more)

    def _line(self, event: StepEvent) -> _Said:
        code = line(event.source, self.source) or "…"
        rows = []
        if event.kernels and (last := self.step.kernels[event.kernels[-1]]).outputs:
            rows = [self._row(last.outputs[0], written=True)]
        return _Said({"t": shorten(code, 90)}, rows)

    def _kernel(self, event: StepEvent) -> _Said:
        kernel: Kernel = self.step.kernels[event.item]
        uses = [each.value for each in kernel.inputs if isinstance(each.value, TensorUse)]
        rows = [self._row(use) for use in uses]
        rows += [self._row(use, written=True) for use in kernel.outputs]
        title = self.words["event_forward"].format(what=computation(kernel, self.names))
        form = {"t": title, "g": -1, "m": kernel.module}
        if made := self._made.get(kernel.index):
            form |= {"n": made, "g": next(iter(made))}
        return _Said(form, rows)

    def _engine(self, event: StepEvent) -> _Said:
        code = line(event.source, self.source) or "backward()"
        backward = self.step.backwards[event.backward]
        rows = [self._number(self.words["loss"], value) for value in backward.roots]
        title = self.words["event_engine"].format(what=shorten(code, 60))
        return _Said({"t": title}, rows, escape(backward.error))

    def story(self, event: StepEvent) -> NodeStory:
        """The story of an event's node."""
        if event.backward not in self._stories:
            self._stories[event.backward] = Stories(self._index, self.names, event.backward)
        stories = self._stories[event.backward]
        return stories.of(stories.backward.node_runs[event.item].node)

    def _node(self, event: StepEvent) -> _Said:
        story = self.story(event)
        graph = self._graph_of.get(event.backward, -1)
        given = self.words["event_out"]
        rows = [
            self._number(
                self.words["event_in"], each.value, f"d{graph} {story.node.index} {output}"
            )
            for output, each in enumerate(story.incoming)
            if each.value
        ]
        rows += [
            self._number(
                given.format(name=out.name),
                out.value,
                f"d{graph} {out.edge.to_node} {out.edge.output_nr}",
                written=True,
            )
            for out in story.outgoing
            if out.edge is not None and out.receiver is not None
        ]
        title = self.words["event_backward"].format(what=story.node.name)
        form = {"t": title, "n": {graph: story.node.index}, "m": story.module}
        why = text_html(reason(story, self.words))
        if not self._worked:
            return _Said({**form, "why": why}, rows)
        equations = " ".join(text_html((equation,)) for equation in worked_node(story))
        return _Said(form, rows, f"{why} {equations}")

    def _grad(self, event: StepEvent) -> _Said:
        write = self.step.backwards[event.backward].grad_writes[event.item]
        key = "event_write" if write.mode == "set" else "event_write_add"
        grad, graph = f"{write.parameter}.grad", self._graph_of.get(event.backward, -1)
        leaf = self._leaves(event.backward).get(write.parameter, -1)
        rows = [
            self._number(grad, write.before, grad),
            self._number(self.words["event_in"], write.incoming, f"d{graph} {leaf} 0"),
            self._number(grad, write.after, grad, written=True),
        ]
        title = self.words[key].format(name=write.parameter)
        return _Said({"t": title, "a": write.parameter}, rows)

    def _leaves(self, backward: int) -> Mapping[str | None, int]:
        """The nodes of the parameters that a backward reached."""
        graph = self.step.backwards[backward].graph
        return {each.variable: each.index for each in graph.nodes} if graph else {}

    def _update(self, event: StepEvent) -> _Said:
        update = self.step.updates[event.item]
        found = worked_update(update, self.step.kernels)
        what = f"{update.parameter} ← {update.expression or '…'}"
        name, grad = update.parameter, f"{update.parameter}.grad"
        rows = [self._number(name, update.before, name), self._number(grad, update.grad, grad)]
        rows.append(self._number(name, update.after, name, written=True))
        rows = [row for row in rows if row.value is not None]
        more = text_html((Equation((found.formula, found.result)),)) if found else ""
        title = self.words["event_update"].format(what=what)
        return _Said({"t": title, "a": update.parameter}, rows, more)

    def _zero(self, event: StepEvent) -> _Said:
        zero = self.step.zero_grads[event.item]
        grad = f"{zero.parameter}.grad"
        rows = [
            self._number(grad, zero.before, grad),
            self._number(grad, zero.after, grad, written=True),
        ]
        title = self.words["event_zero"].format(name=zero.parameter)
        return _Said({"t": title, "a": zero.parameter}, rows)

    def _run(self, event: StepEvent) -> _Said:
        happened = self._run_events[event.item]
        return _Said({"t": happened.message}, [])

    def _number(
        self, name: str, value: Value | None, key: str = "", *, written: bool = False
    ) -> Row:
        shape = shape_text(value.shape) if value else ""
        return Row(name, shape, self._range(value), value, key, written)

    def _row(self, use: TensorUse, *, written: bool = False) -> Row:
        own = use.spec.name.removesuffix(".grad") in self.step.parameters
        key = use.spec.name if own else f"t{use.tensor}"
        shape = shape_text(use.spec.shape)
        return Row(self.names(use), shape, self._range(use.value), use.value, key, written)

    def _range(self, value: Value | None) -> str:
        """A value in words; behind the range of a large one its histogram."""
        text = value_text(value, self.words)
        if value is None or not value.complete or value.array.dtype.kind != "f":
            return text
        finite = value.array[np.isfinite(value.array)]
        many = finite.size > _WRITTEN_OUT and finite.min() < finite.max()
        return f"{text} {histogram(finite)}" if many else text
