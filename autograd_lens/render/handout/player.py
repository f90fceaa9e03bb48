"""What the page's player knows: the run as numbers, and the events of its full steps."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.lesson import BackwardRow, Lesson, StepLesson
from autograd_lens.render.handout.blocks import Run
from autograd_lens.render.handout.figures import best_point, descent_axes, loss_axes
from autograd_lens.render.handout.graph import MOST_NODES, boxes
from autograd_lens.render.handout.html import text_html
from autograd_lens.render.handout.naming import Naming
from autograd_lens.render.handout.rules import reason, worked_examples
from autograd_lens.render.handout.svg import Axes
from autograd_lens.render.handout.values import shape_text, value_text
from autograd_lens.render.worked import worked
from autograd_lens.trace.records import Kernel, ParameterUpdate, TensorUse, ZeroGrad

__all__ = ["player_data"]

Words = Mapping[str, str]
Event = dict[str, Any]

_MOST_STEPS = 5000
_MOST_EVENTS = 200  # of one step


def player_data(lesson: Lesson, words: Words, source: Callable[[str], str | None]) -> str:
    """Everything the player needs, as JSON that may stand inside a page."""
    steps = _sampled(lesson)
    plain = {
        "steps": None if len(steps) == lesson.count else steps.tolist(),
        "count": len(steps),
        "names": lesson.path.names,
        "losses": _packed(lesson.path.losses[steps]),
        "values": _packed(lesson.path.values[np.append(steps, len(lesson.path.values) - 1)]),
        "grads": _packed(lesson.path.grads[steps]),
        "after": _packed(lesson.path.values[steps + 1]),
        "descent": _frame(descent_axes(lesson.path, best_point(lesson))),
        "lossFrame": _frame(loss_axes(lesson.path.losses, words)),
        "full": {
            str(each.step.index): list(_events(each, Naming(each.step, source), words))
            for each in lesson.played
        },
        "graph": _nodes(lesson.first),
        "words": {key: words[key] for key in _SAID},
    }
    # `</script>` in a name of the program must not end the script
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


_SAID = (
    *("event_of", "light_event", "event_loss", "event_grads", "event_updates", "run", "pause"),
    *("step", "loss"),
)


def _sampled(lesson: Lesson) -> npt.NDArray[np.int64]:
    if lesson.count <= _MOST_STEPS:
        return np.arange(lesson.count)
    even = np.linspace(0, lesson.count - 1, _MOST_STEPS).round().astype(np.int64)
    return np.unique(np.append(even, [each.step.index for each in lesson.played]))


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


def _events(lesson: StepLesson, naming: Naming, words: Words) -> Iterator[Event]:
    graph = lesson.step.backwards[-1].graph if lesson.step.backwards else None
    small = graph is not None and len(graph.nodes) <= MOST_NODES
    lines = boxes(lesson, naming) if small else {}
    made = {node.forward_kernel: node.index for node in graph.nodes} if graph else {}
    made.pop(None, None)
    leaves = [node.index for node in graph.nodes if node.variable] if graph else []
    say = _Teller(naming, words, lines)
    for kernel in lesson.forward[:_MOST_EVENTS]:
        yield say.forward(kernel, made.get(kernel.index), leaves)
    for row in lesson.backward[:_MOST_EVENTS]:
        yield say.backward(row, lesson)
    for update in lesson.step.updates[:_MOST_EVENTS]:
        yield say.update(update, lesson)
    for zero in lesson.step.zero_grads[:_MOST_EVENTS]:
        yield say.zero(zero)


class _Teller:
    """Puts the events of one step into words."""

    def __init__(self, naming: Naming, words: Words, lines: Mapping[int, tuple[str, ...]]) -> None:
        self.naming = naming
        self.words = words
        self.lines = lines

    def forward(self, kernel: Kernel, node: int | None, leaves: list[int]) -> Event:
        uses = [each.value for each in kernel.inputs if isinstance(each.value, TensorUse)]
        rows = [self._row(self.naming.name(use), use) for use in uses]
        rows += [self._row(f"→ {self.naming.name(use)}", use) for use in kernel.outputs]
        shown = [each for each in (node, *leaves) if each is not None]
        title = self.words["event_forward"].format(what=self.naming.operation(kernel))
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

    def backward(self, row: BackwardRow, lesson: StepLesson) -> Event:
        rows = [
            [
                self.words["event_in"],
                shape_text(each.value.shape),
                value_text(each.value, self.words),
            ]
            for each in row.incoming
            if each.value
        ]
        for out in row.outgoing:
            name = self.naming.name(out.use) if out.use else out.parameter
            value = value_text(out.value, self.words)
            shape = shape_text(out.value.shape) if out.value else ""
            rows.append([self.words["event_out"].format(name=name), shape, value])
        if row.write is not None:
            value = value_text(row.write.after, self.words)
            shape = shape_text(row.write.after.shape) if row.write.after else ""
            rows.append([f"{row.write.parameter}.grad", shape, value])
        return {
            "phase": "backward",
            "title": self._backward_title(row),
            "line": lesson.call.line if lesson.call else 0,
            "node": row.node.index,
            "edges": self._edges(row, lesson),
            "set": [[row.node.index, 2, self._line(row.node.index, 2)]],
            "rows": rows,
            "more": self._why(row),
        }

    def _backward_title(self, row: BackwardRow) -> str:
        if row.write is not None:
            key = "event_write" if row.write.mode == "set" else "event_write_add"
            return self.words[key].format(name=row.write.parameter)
        return self.words["event_backward"].format(what=row.node.name)

    def _edges(self, row: BackwardRow, lesson: StepLesson) -> list[str]:
        graph = lesson.step.backwards[-1].graph
        edges = graph.edges if graph else ()
        return [
            f"e{edge.from_node}_{edge.input_position}"
            for edge in edges
            if edge.from_node == row.node.index
        ]

    def _why(self, row: BackwardRow) -> str:
        parts = [text_html((Run(reason(row, self.words)),))]
        parts += [text_html((equation,)) for equation in worked_examples(row)]
        return " ".join(parts)

    def update(self, update: ParameterUpdate, lesson: StepLesson) -> Event:
        sum_ = worked(update, lesson.step.kernels)
        what = f"{update.parameter} ← {update.expression or '…'}"
        values = (
            (update.parameter, update.before),
            (f"{update.parameter}.grad", update.grad),
            (f"→ {update.parameter}", update.after),
        )
        rows = [
            [name, shape_text(value.shape), value_text(value, self.words)]
            for name, value in values
            if value is not None
        ]
        shown = f"{sum_[1]} = {sum_[2]}".replace("-", "−") if sum_ else ""
        return {
            "phase": "update",
            "title": self.words["event_update"].format(what=what),
            "line": update.source.line if update.source else 0,
            "node": None,
            "parameter": update.parameter,
            "edges": [],
            "set": [],
            "rows": rows,
            "more": text_html((Run(shown, "code"),)) if shown else "",
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
            "rows": [
                [name, shape_text(value.shape) if value else "", value_text(value, self.words)]
                for name, value in values
            ],
            "more": "",
        }

    def _row(self, name: str, use: TensorUse) -> list[str]:
        return [name, shape_text(use.spec.shape), value_text(use.value, self.words)]

    def _line(self, node: int, place: int) -> str:
        lines = self.lines.get(node)
        return lines[place] if lines else ""
