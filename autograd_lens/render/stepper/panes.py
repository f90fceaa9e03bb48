"""The panes beside the details: the events of a step, its parameters, the program's code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from autograd_lens.analysis.cursor import Held
from autograd_lens.analysis.events import StepEvent
from autograd_lens.render.layout import CODE, NAME, QUIET, short, table
from autograd_lens.render.numbers import brief_value, scalar, shape
from autograd_lens.render.step_view import StepView
from autograd_lens.render.stepper.descent import sparkline
from autograd_lens.trace.records import Event, Source
from autograd_lens.trace.values import Floats, Value

__all__ = ["Course", "event_lines", "event_title", "highlighted", "parameter_lines", "source_lines"]

_PHASES = {
    "forward": "Forward",
    "backward": "Backward",
    "update": "Update",
    "zero_grad": "Zero grad",
}
_HEADS = ("", "value", ".grad", "change")
_CHANGED = "bold magenta"  # as the arrow at the current event
_DIGITS = 5
_COURSES = ("over all steps", "all steps", "steps")  # what fits heads the courses
_SHORTEST = 5  # columns of a sparkline that says anything
_LONGEST_NAME, _SHORTEST_NAME = 18, 9
_TOKENS = re.compile(
    r"""(?P<comment>\#.*)
    | (?P<string>'[^'\n]*'|"[^"\n]*")
    | \b(?P<keyword>False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif
        |else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise
        |return|try|while|with|yield)\b""",
    re.VERBOSE,
)
_STYLES = {"comment": QUIET, "string": "green", "keyword": "blue"}


# --- events --------------------------------------------------------------------------------


def event_lines(
    view: StepView, events: Sequence[StepEvent], happenings: Sequence[Event]
) -> tuple[list[Text], list[int]]:
    """A heading for each part of the step, and its events.

    Returns:
        The lines without any mark, and the line of each event.
    """
    lines: list[Text] = []
    places: list[int] = []
    previous = None
    for event in events:
        if event.phase != previous:
            lines.append(Text(_PHASES[event.phase], style=NAME))
            previous = event.phase
        places.append(len(lines))
        lines.append(Text("  ").append_text(event_title(view, event, happenings)))
    return lines, places


def event_title(view: StepView, event: StepEvent, happenings: Sequence[Event]) -> Text:
    """One event in a few words, its result behind it."""
    if event.kind == "line":
        return Text.assemble((view.line(event.source) or "a line", CODE))
    if event.kind == "kernel":
        return _kernel(view, event)
    if event.kind == "engine":
        return _engine(view, event)
    if event.kind == "node":
        return _node(view, event)
    if event.kind == "run":
        happened = happenings[event.item]
        return Text(f"! {happened.kind}: {happened.message}", style="bold red")
    return _parameter(view, event)


def _kernel(view: StepView, event: StepEvent) -> Text:
    kernel = view.step.kernels[event.item]
    made = view.made(kernel)
    shown = brief_value(kernel.outputs[0].value) if kernel.outputs else Text()
    text = Text.assemble("  ", view.notation(kernel))
    text.append_text(Text.assemble((" → ", QUIET), made) if made else Text())
    return text.append("  ").append_text(shown) if shown else text


def _engine(view: StepView, event: StepEvent) -> Text:
    backward = view.step.backwards[event.backward]
    usual = "loss.backward()" if backward.kind == "backward" else "torch.autograd.grad(...)"
    text = Text(view.line(event.source) or usual, style=CODE)
    return text.append("  raised an error", style="bold red") if backward.error else text


def _node(view: StepView, event: StepEvent) -> Text:
    backward = view.step.backwards[event.backward]
    run = backward.node_runs[event.item]
    node = backward.graph.nodes[run.node] if backward.graph else None
    text = Text.assemble((f"{run.order + 1:>3} ", QUIET), node.name if node else "a node")
    if node is not None and node.variable:
        return text.append(f" {node.variable}")
    kernel = view.index.kernel_of(node) if node is not None else None
    return text.append(f"  {view.notation(kernel)}" if kernel else "", style=QUIET)


def _parameter(view: StepView, event: StepEvent) -> Text:
    step = view.step
    if event.kind == "grad":
        write = step.backwards[event.backward].grad_writes[event.item]
        sign = " = " if write.mode == "set" else " += "
        value = write.incoming if write.incoming is not None else write.after
        return Text.assemble(
            "    " if step.level == "full" else "  ",
            (f"{write.parameter}.grad", NAME), (sign, QUIET), brief_value(value),
        )  # fmt: skip
    if event.kind == "update":
        update = step.updates[event.item]
        return Text.assemble(
            "  ", (update.parameter, NAME), (" ← ", QUIET), brief_value(update.after)
        )
    zero = step.zero_grads[event.item]
    return Text.assemble(
        "  ", (f"{zero.parameter}.grad", NAME), (" → ", QUIET), brief_value(zero.after)
    )


# --- parameters ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A parameter over the run: its number, or its norm where it has many.

    Attributes:
        values: One for each step that was looked at, in order.
    """

    values: Floats


def parameter_lines(
    parameters: Mapping[str, Held],
    width: int,
    course: Callable[[str], Course | None],
    here: float,
) -> list[Text]:
    """A row for each parameter as it is at the current event, what that changes marked.

    A number where it has one element, a norm where it has many.

    Args:
        parameters: What each parameter holds around the event.
        width: Columns.
        course: How a parameter went, or None where that is not known yet.
        here: The current step as a share of the run, from 0 to 1.
    """
    head = [Text(word, style=QUIET) for word in _HEADS]
    cells = [_row(each) for each in parameters.values()]
    rows = table([head, *cells])
    used = max((row.cell_len for row in rows), default=0)
    if used > width:  # the numbers are what is looked for: names make room
        longest = max((each[0].cell_len for each in cells), default=0)
        least = max(longest - (used - width), _SHORTEST_NAME)
        rows = table([head, *(_row(each, least, shaped=False) for each in parameters.values())])
        used = max((row.cell_len for row in rows), default=0)
    room = min(width - used - 2, 40)
    if room < _SHORTEST:
        return rows
    title = next((words for words in _COURSES if len(words) <= room), "")
    lines = [_with(rows[0], used, Text(title, style=QUIET))]
    for row, name in zip(rows[1:], parameters, strict=True):
        found = course(name)
        spark = sparkline(found.values, room, here) if found else Text()
        lines.append(_with(row, used, spark))
    return lines


def _with(row: Text, used: int, tail: Text) -> Text:
    return row.copy().append(" " * (used - row.cell_len + 2)).append_text(tail)


def _row(held: Held, longest: int = _LONGEST_NAME, *, shaped: bool = True) -> list[Text]:
    name = held.parameter
    label = Text(short(name, longest), style=NAME)
    if shaped and held.after is not None and held.after.numel != 1:
        label.append(f" {shape(held.after.shape)}", style=QUIET)
    value = _around(_value(held.before), _value(held.after), changes=held.moved)
    grad = _around(_size(held.grad_before), _size(held.grad), changes=held.regraded)
    return [label, value, grad, _change(held.first, held.after)]


def _around(before: Text, after: Text, *, changes: bool) -> Text:
    """What is there; where the event changes it, what was there before as well."""
    if not changes:
        return after
    after.stylize(_CHANGED)
    return Text.assemble(before, (" → ", _CHANGED), after)


def _value(value: Value | None) -> Text:
    return Text("not known", style=QUIET) if value is None else _size(value)


def _size(value: Value | None) -> Text:
    if value is None:
        return Text("None", style=QUIET)
    try:
        number = value.item() if value.numel == 1 else value.norm
    except (TypeError, ValueError):  # a type that NumPy lacks
        return Text("?", style=QUIET)
    return _number(number, "" if value.numel == 1 else "‖ ")


def _change(before: Value | None, after: Value | None) -> Text:
    if before is None or after is None or before == after:
        return Text("")
    try:
        moved = after.array.astype(np.complex128) - before.array.astype(np.complex128)
    except (TypeError, ValueError):  # a type that NumPy lacks, or not kept whole
        return Text("not known", style=QUIET)
    if moved.size != 1:
        return _number(float(np.linalg.norm(moved)), "‖ ")
    number = complex(moved.item())
    text = _number(number if number.imag else number.real, "")
    return Text("+").append_text(text) if number.real > 0 and not number.imag else text


def _number(number: complex, prefix: str) -> Text:
    style = "" if np.isfinite(number) else "bold red"
    return Text.assemble((prefix, QUIET), (scalar(number, _DIGITS), style))


# --- code --------------------------------------------------------------------------------


def highlighted(code: str) -> list[Text]:
    """Lines of Python with comments, strings and keywords told apart."""
    lines = []
    for row in code.expandtabs().splitlines():
        text = Text(row)
        for match in _TOKENS.finditer(row):
            text.stylize(_STYLES[match.lastgroup or "comment"], *match.span())
        lines.append(text)
    return lines


def source_lines(
    code: Sequence[Text], current: Source | None, arrow: str = "▶"
) -> tuple[list[Text], int | None]:
    """Numbered lines, an arrow at the current one and its expression underlined.

    Args:
        code: What ``highlighted`` made of the file.
        current: Where the current event comes from.
        arrow: How it is marked.

    Returns:
        The lines, and which of them is the current one.
    """
    digits = len(str(len(code)))
    lines = [Text.assemble((f"  {n:>{digits}} ", QUIET), row) for n, row in enumerate(code, 1)]
    if current is None or not 0 < current.line <= len(lines):
        return lines, None
    place = current.line - 1
    lines[place] = _marked(code[place].copy(), f"{arrow} {current.line:>{digits}} ", current)
    return lines, place


def _marked(row: Text, gutter: str, current: Source) -> Text:
    row.stylize("bold")
    if current.column >= 0:
        encoded = row.plain.encode()
        start = len(encoded[: current.column].decode("utf-8", "replace"))
        ends_here = current.end_line == current.line
        end = len(encoded[: current.end_column].decode("utf-8", "replace")) if ends_here else None
        row.stylize("underline", start, end)
    return Text.assemble((gutter, "bold magenta"), row)
