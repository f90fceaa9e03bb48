"""What the page's player knows: the run as numbers, and the events of its full steps."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.lesson import KEPT, Lesson, StepLesson
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import NodeStory
from autograd_lens.render.handout.figures import Axes, best_point, descent_axes, loss_axes
from autograd_lens.render.handout.graph import MOST_NODES, boxes
from autograd_lens.render.handout.html import text_html
from autograd_lens.render.handout.wording import computation, reason, shape_text, value_text
from autograd_lens.render.worked import worked_node, worked_update
from autograd_lens.trace.expr import Equation
from autograd_lens.trace.records import GradWrite, Kernel, ParameterUpdate, TensorUse, ZeroGrad
from autograd_lens.trace.values import Value

__all__ = ["player_data"]

Words = Mapping[str, str]
Event = dict[str, Any]

_MOST_STEPS = 5000
_MOST_EVENTS = 200  # of one step


def player_data(lesson: Lesson, words: Words) -> str:
    """Everything the player needs, as JSON that may stand inside a page."""
    steps, path = _sampled(lesson), lesson.path
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
        "full": {str(each.step.index): list(_events(each, words)) for each in lesson.played},
        "graph": _nodes(lesson.first),
        "words": {key: words[key] for key in _SAID},
    }
    # `</script>` in a name of the program must not end the script
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


_SAID = (
    *("event_of", "light_event", "event_loss", "event_grads", "event_updates", "run", "pause"),
    *("step", "loss", "not_kept"),
)


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


def _packed(numbers: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, "<f8").tobytes()).decode()


def _frame(axes: Axes | None) -> dict[str, Any] | None:
    if axes is None:
        return None
    right, bottom = axes.width - axes.right, axes.height - axes.bottom
    box = (axes.left, axes.top, right, bottom)
    return {"x": axes.x, "y": axes.y, "box": box, "log": axes.log}


def _nodes(first: StepLesson) -> dict[str, Any]:
    graph = first.step.backwards[-1].graph if first.step.backwards else None
    if graph is None or len(graph.nodes) > MOST_NODES:
        return {}
    return {
        "leaves": {node.variable: node.index for node in graph.nodes if node.variable},
        "root": 0,
    }


# --- the events of a full step -------------------------------------------------------------


def _events(lesson: StepLesson, words: Words) -> Iterator[Event]:
    graph = lesson.step.backwards[-1].graph if lesson.step.backwards else None
    small = graph is not None and len(graph.nodes) <= MOST_NODES
    lines = boxes(lesson) if small else {}
    made = {node.forward_kernel: node.index for node in graph.nodes} if graph else {}
    made.pop(None, None)
    leaves = [node.index for node in graph.nodes if node.variable] if graph else []
    say = _Teller(lesson.names, words, lines)
    for kernel in lesson.forward[:_MOST_EVENTS]:
        yield say.forward(kernel, made.get(kernel.index), leaves)
    for story in lesson.backward[:_MOST_EVENTS]:
        yield say.backward(story, lesson)
    for update in lesson.step.updates[:_MOST_EVENTS]:
        yield say.update(update, lesson)
    for zero in lesson.step.zero_grads[:_MOST_EVENTS]:
        yield say.zero(zero)


class _Teller:
    """Puts the events of one step into words."""

    def __init__(self, names: Names, words: Words, lines: Mapping[int, tuple[str, ...]]) -> None:
        self.names = names
        self.words = words
        self.lines = lines

    def forward(self, kernel: Kernel, node: int | None, leaves: list[int]) -> Event:
        uses = [each.value for each in kernel.inputs if isinstance(each.value, TensorUse)]
        rows = [self._row(self.names(use), use) for use in uses]
        rows += [self._row(f"→ {self.names(use)}", use) for use in kernel.outputs]
        shown = [each for each in (node, *leaves) if each is not None]
        title = self.words["event_forward"].format(what=computation(kernel, self.names))
        return {
            "phase": "forward",
            "title": title,
            "line": kernel.source.line if kernel.source else 0,
            "node": node,
            "edges": [],
            "set": [[each, 1, self._line(each, 1)] for each in shown],
            "rows": rows,
            "more": "",
        }

    def backward(self, story: NodeStory, lesson: StepLesson) -> Event:
        node, write = story.node.index, story.write
        arrived = [each.value for each in story.incoming if each.value]
        rows = [self._number(self.words["event_in"], value) for value in arrived]
        rows += [
            self._number(self.words["event_out"].format(name=out.name), out.value)
            for out in story.outgoing
            if out.receiver is not None
        ]
        if write is not None:
            rows.append(self._number(f"{write.parameter}.grad", write.after))
        return {
            "phase": "backward",
            "title": self._backward_title(story, write),
            "line": lesson.call.line if lesson.call else 0,
            "node": node,
            "edges": self._edges(node, lesson),
            "set": [[node, 2, self._line(node, 2)]],
            "rows": rows,
            "more": self._why(story),
        }

    def _backward_title(self, story: NodeStory, write: GradWrite | None) -> str:
        if write is not None:
            key = "event_write" if write.mode == "set" else "event_write_add"
            return self.words[key].format(name=write.parameter)
        return self.words["event_backward"].format(what=story.node.name)

    def _edges(self, node: int, lesson: StepLesson) -> list[str]:
        graph = lesson.step.backwards[-1].graph
        edges = graph.edges if graph else ()
        return [
            f"e{edge.from_node}_{edge.input_position}" for edge in edges if edge.from_node == node
        ]

    def _why(self, story: NodeStory) -> str:
        parts = [text_html(reason(story, self.words))]
        parts += [text_html((equation,)) for equation in worked_node(story)]
        return " ".join(parts)

    def update(self, update: ParameterUpdate, lesson: StepLesson) -> Event:
        found = worked_update(update, lesson.step.kernels)
        what = f"{update.parameter} ← {update.expression or '…'}"
        values = (
            (update.parameter, update.before),
            (f"{update.parameter}.grad", update.grad),
            (f"→ {update.parameter}", update.after),
        )
        return {
            "phase": "update",
            "title": self.words["event_update"].format(what=what),
            "line": update.source.line if update.source else 0,
            "node": None,
            "parameter": update.parameter,
            "edges": [],
            "set": [],
            "rows": [self._number(name, value) for name, value in values if value is not None],
            "more": text_html((Equation((found.formula, found.result)),)) if found else "",
        }

    def zero(self, zero: ZeroGrad) -> Event:
        values = ((f"{zero.parameter}.grad", zero.before), (f"→ {zero.parameter}.grad", zero.after))
        return {
            "phase": "zero",
            "title": self.words["event_zero"].format(name=zero.parameter),
            "line": zero.source.line if zero.source else 0,
            "node": None,
            "parameter": zero.parameter,
            "edges": [],
            "set": [],
            "rows": [self._number(name, value) for name, value in values],
            "more": "",
        }

    def _number(self, name: str, value: Value | None) -> list[str]:
        return [name, shape_text(value.shape) if value else "", value_text(value, self.words)]

    def _row(self, name: str, use: TensorUse) -> list[str]:
        return [name, shape_text(use.spec.shape), value_text(use.value, self.words)]

    def _line(self, node: int, place: int) -> str:
        lines = self.lines.get(node)
        return lines[place] if lines else ""
