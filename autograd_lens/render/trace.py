"""One training step, printed to be read from top to bottom.

Forward lines in source order, backward nodes in the order the engine ran them, the
``.grad`` writes, the update as arithmetic, the zeroing. A step that was recorded light is a
table of its parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from rich.console import Group, RenderableType
from rich.text import Text

from autograd_lens.analysis.events import BOOKKEEPING, by_line, loose_kernels
from autograd_lens.analysis.story import Kept, NodeStory, Outgoing, formula
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.render.layout import (
    NAME,
    QUIET,
    beside,
    cut,
    folded,
    heading,
    line,
    table,
)
from autograd_lens.render.numbers import brief_value, render_value, scalar, shape
from autograd_lens.render.step_view import PHASES, StepView, TraceOptions
from autograd_lens.render.worked import worked
from autograd_lens.trace.expr import literal
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import (
    Backward,
    Constant,
    GradWrite,
    Kernel,
    ParameterStep,
    ParameterUpdate,
    Phase,
    Step,
    ZeroGrad,
)
from autograd_lens.trace.values import Value

__all__ = ["TraceOptions", "render_step"]

_LEGEND = "in: gradient that arrived for a tensor; out: what the node passed on"
_NO_LINE = "set to None, which runs no kernel: the line that did so is not known"
_AROUND = 16  # columns of bar, arrow and kernel number
_SHORTEST = 12
_VALUES = 30  # column of the values where the operation is not longer
_HANGING = 10  # columns of a line below a gradient
_HEADS = ("parameter", "", "before", ".grad", "after", ".grad was")
_LONGEST = 24  # of a name; its end tells more than its start


def render_step(
    step: Step, source: SourceOf, options: TraceOptions | None = None
) -> RenderableType:
    """A step as lines of text, none wider than ``options.width``.

    Args:
        step: The step.
        source: Gives the text of a source file.
        options: How to print it.
    """
    view = StepView(step, source, options or TraceOptions())
    return Group(*(cut(text, view.width) for text in _lines(view)))


def _lines(view: StepView) -> Iterator[Text]:
    yield heading(f"Step {view.step.index}", _loss(view.step), view.width, "━")
    if view.step.level == "light":
        yield from _light(view)
    else:
        for phase in _order(view.step):
            if phase in view.options.phases:
                yield from _section(view, phase)
    yield from _omitted(view.step, view.width)


def _omitted(step: Step, width: int) -> Iterator[Text]:
    for sentence in step.omitted:
        for part in folded(sentence, width - 7, QUIET):
            yield line(part)


def _loss(step: Step) -> Text:
    words = {"recorded": "", "proved": "  replayed and proved", "differs": "  replay differs"}
    note = words.get(step.provenance, f"  {step.provenance}")
    if step.loss is None:
        return Text(f"no backward{note}")
    style = "bold" if math.isfinite(step.loss) else "bold red"
    return Text.assemble("loss ", (scalar(step.loss), style), note)


def _order(step: Step) -> list[Phase]:
    """The phases as they ran: some programs zero first."""
    first = {phase: len(step.kernels) for phase in PHASES}
    for kernel in reversed(step.kernels):
        first[kernel.phase] = kernel.index
    return sorted(PHASES, key=lambda phase: (first[phase], PHASES.index(phase)))


def _section(view: StepView, phase: Phase) -> Iterator[Text]:
    if phase == "forward" and any(kernel.phase == "forward" for kernel in view.step.kernels):
        yield from _spaced(_forward(view))
    elif phase == "backward":
        for backward in view.step.backwards:
            yield from _spaced(_backward(view, backward))
    elif phase == "update" and (view.step.updates or loose_kernels(view.index)):
        yield from _spaced(_updates(view))
    elif phase == "zero_grad" and view.step.zero_grads:
        yield from _spaced(_zeroings(view))


def _spaced(lines: Iterator[Text]) -> Iterator[Text]:
    yield Text()
    yield from lines


def _kernels(view: StepView, kernels: Sequence[Kernel]) -> Iterator[Text]:
    """Every ATen kernel, where asked for: its number, what it computed, its operator."""
    for kernel in kernels if view.options.kernels else ():
        operation = Text.assemble((f"#{kernel.index:<3} ", QUIET), *_operation(view, kernel))
        yield from beside(line(operation), Text(kernel.op, style=QUIET), view.width, 50)


# --- forward -------------------------------------------------------------------------------


def _forward(view: StepView) -> Iterator[Text]:
    """Lines of code, and under each what it computed."""
    kernels = [kernel for kernel in view.step.kernels if kernel.phase == "forward"]
    yield heading("Forward", _files(kernels), view.width)
    for group in by_line(kernels):
        yield from _group(view, group)


def _files(kernels: Sequence[Kernel]) -> str:
    files = {kernel.source.file for kernel in kernels if kernel.source}
    return PurePath(files.pop()).name if len(files) == 1 else ""


def _group(view: StepView, kernels: list[Kernel]) -> Iterator[Text]:
    """One line of code with what it computed, module by module."""
    shown = [kernel for kernel in kernels if operator_name(kernel) not in BOOKKEEPING]
    if not shown and not view.options.kernels:
        return
    at = kernels[0].source
    modules = list(dict.fromkeys(kernel.module for kernel in kernels))
    places = [PurePath(at.file).name] if at and view.several_files else []
    places += modules if len(modules) == 1 and modules[0] else []
    yield view.code(at, f"in {', '.join(places)}" if places else "")
    for module, group in groupby(kernels if view.options.kernels else shown, key=_module):
        if len(modules) > 1:
            yield line(f"in {module}" if module else "outside modules", style=QUIET)
        for kernel in group:
            yield from _computed(view, kernel)


def _module(kernel: Kernel) -> str:
    return kernel.module


def _computed(view: StepView, kernel: Kernel) -> Iterator[Text]:
    values = [render_value(use.value) for use in kernel.outputs if use.value is not None]
    first, rest = (values[0], values[1:]) if values else (Text(), [])
    yield from beside(line(Text.assemble(*_operation(view, kernel))), first, view.width, _VALUES)
    for value in rest:
        yield from beside(line(""), value, view.width, _VALUES)
    if view.options.kernels:
        yield line(f"  #{kernel.index} {kernel.op}", style=QUIET)


def _operation(view: StepView, kernel: Kernel) -> tuple[Text, ...]:
    made = view.made(kernel)
    if not made:
        return (Text(view.notation(kernel)),)
    room = max(view.width - len(made) - _AROUND, _SHORTEST)
    computed = cut(Text(view.notation(kernel)), room)
    return computed, Text(" → ", style=QUIET), Text(made, style=NAME)


# --- backward ------------------------------------------------------------------------------


def _backward(view: StepView, backward: Backward) -> Iterator[Text]:
    """One run of the engine, node by node in the order it ran them."""
    title = "Backward" if backward.kind == "backward" else "torch.autograd.grad"
    yield heading(title, _roots(backward), view.width)
    yield view.code(backward.source, _flags(backward))
    if backward.graph is not None:
        yield line(_LEGEND, style=QUIET)
        yield from _kernels(view, _without_node(view, backward))
        for story in view.stories(backward.index):
            yield from _node(view, story)
    if backward.error:
        yield line(f"raised {backward.error}", style="bold red")
    if backward.grad_writes:
        yield Text()
        yield heading(".grad", "", view.width)
        for write in backward.grad_writes:
            yield from _write(view, write)


def _without_node(view: StepView, backward: Backward) -> list[Kernel]:
    """What ran before the first node: the gradient of the root, for example."""
    phase = [kernel for kernel in view.step.kernels if kernel.phase == "backward"]
    return [each for each in phase if each.node is None and each.backward == backward.index]


def _roots(backward: Backward) -> Text:
    if len(backward.roots) != 1:
        return Text(f"from {len(backward.roots)} tensors")
    return Text("from ").append_text(render_value(backward.roots[0]))


def _flags(backward: Backward) -> str:
    flags = {"retain_graph": backward.retain_graph, "create_graph": backward.create_graph}
    return ", ".join(f"{name}=True" for name, on in flags.items() if on)


def _node(view: StepView, story: NodeStory) -> Iterator[Text]:
    """One node: its name and operation, gradients in, gradients out, what it kept."""
    yield _title(view, story)
    for incoming in story.incoming:
        count = len(incoming.terms)
        several = f"  (sum of {count})" if count > 1 else ""
        several += "  (changed by a hook)" if incoming.hooked else ""
        yield from _gradient(view, "in", incoming.name, incoming.value, several)
    for outgoing in story.outgoing:
        yield from _outgoing(view, outgoing)
    yield from _where(view, story)
    if story.write is not None:
        verb = "added to" if story.write.mode == "accumulate" else "kept as"
        yield line(f"  {verb} {story.write.parameter}.grad", style=QUIET)
    yield from _kernels(view, story.ran)


def _title(view: StepView, story: NodeStory) -> Text:
    text = line(Text(story.node.name, style=NAME), str((story.order or 0) + 1))
    if story.kernel is None:
        return text.append(f"  {story.node.variable or ''}")
    place = view.place(story.source)
    text.append(f"  of {view.computation(story.kernel)}")
    return text.append(f", {place}" if place else "", style=QUIET)


def _outgoing(view: StepView, outgoing: Outgoing) -> Iterator[Text]:
    yield from _gradient(view, "out", outgoing.name, outgoing.value)
    to = outgoing.receiver
    notes = f"to {to.name} {to.variable or ''}".rstrip() if to else "goes nowhere"
    rule = formula(outgoing.formula)
    yield from _below(view, f"{notes}, by {rule}" if rule else notes)


def _where(view: StepView, story: NodeStory) -> Iterator[Text]:
    """What the formula's other names stand for."""
    used = [each for each in story.kept if each.used and each.value is not None]
    known = [f"{each.name} = {_kept(each)}" for each in used]
    yield from _below(view, f"where {', '.join(known)}") if known else ()


def _kept(kept: Kept) -> str:
    if kept.changed:
        return "a tensor that was changed since the forward"
    if kept.tensor:
        return kept.tensor
    if isinstance(kept.value, Value) or kept.value is None:
        return brief_value(kept.value).plain
    return _constant(kept.value)


def _constant(value: Constant | tuple[Value | Constant | None, ...]) -> str:
    """A constant as Python writes it; of a list with tensors nothing is said."""
    if isinstance(value, Constant):
        return literal(value.value) if value.kind == "scalar" else str(value.value)
    if any(isinstance(each, Value) for each in value):
        return "…"
    parts = [_constant(each) if each else "None" for each in value if not isinstance(each, Value)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _below(view: StepView, text: str) -> Iterator[Text]:
    for part in folded(text, view.width - _HANGING - 8, QUIET):
        yield line(Text(" " * _HANGING).append_text(part))


def _gradient(
    view: StepView, direction: str, name: str, value: Value | None, note: str = ""
) -> Iterator[Text]:
    label = Text.assemble((f"  {direction:<4}", QUIET), name)
    shown = render_value(value).append(note, style=QUIET)
    yield from beside(line(label), shown, view.width, 26)


def _write(view: StepView, write: GradWrite) -> Iterator[Text]:
    """``before + incoming → after`` on one line where it fits, else under one another."""
    name = Text(f"{write.parameter}.grad", style=NAME)
    how = "set" if write.mode == "set" else "accumulated"
    how += ", then cleared by a hook" if write.cleared else ""
    verb = Text(f"  ({how})", style=QUIET)
    values = {"before": write.before, "incoming": write.incoming, "after": write.after}
    texts = {label: render_value(value) for label, value in values.items() if value is not None}
    sum_ = Text(" + ").join(texts[label] for label in ("before", "incoming") if label in texts)
    start = Text("None", style=QUIET) if write.mode == "set" and not write.cleared else sum_
    short = line(Text.assemble(name, "  ", start, (" → ", QUIET), render_value(write.after), verb))
    if short.cell_len <= view.width:
        yield short
        return
    yield line(name + verb)
    if write.mode == "set":
        texts = {"after": texts["after"]} if "after" in texts else texts
    rows = [[Text(f"  {label}", style=QUIET), text] for label, text in texts.items()]
    yield from (line(row) for row in table(rows))


# --- update and zeroing --------------------------------------------------------------------


def _updates(view: StepView) -> Iterator[Text]:
    """Every update, as arithmetic and with its numbers."""
    yield heading("Update", "", view.width)
    for source, group in groupby(view.step.updates, key=lambda update: update.source):
        yield view.code(source)
        for update in group:
            yield from _update(view, update)
    for kernels in by_line(loose_kernels(view.index)):
        yield from _group(view, kernels)


def _zeroings(view: StepView) -> Iterator[Text]:
    """Every clearing of a ``.grad``."""
    yield heading("Zero grad", "", view.width)
    for source, group in groupby(enumerate(view.step.zero_grads), key=lambda pair: pair[1].source):
        zeros = list(group)
        gone = all(zero.after is None for _, zero in zeros)
        yield view.code(source, _NO_LINE if gone and source is None else "")
        for place, zero in zeros:
            yield _zero(zero, view.cleared.get(place, zero.before), view.width)
    yield from _kernels(view, [each for each in view.step.kernels if each.phase == "zero_grad"])


def _update(view: StepView, update: ParameterUpdate) -> Iterator[Text]:
    numbers = worked(update, view.step.kernels)
    room = view.width - 10
    if update.expression:
        parts = [update.expression]
        if numbers and not numbers[0]:
            parts += [numbers[1], numbers[2]]
        yield from _equation(update.parameter, parts, room)
    if not numbers or numbers[0]:
        yield from _values(update)
    if numbers and numbers[0]:
        yield from _equation(f"{update.parameter}{numbers[0]}", list(numbers[1:]), room)
    yield from _kernels(view, [view.step.kernels[index] for index in update.kernels])


def _equation(name: str, parts: list[str], room: int) -> Iterator[Text]:
    """``name ← a = b = c`` on one line, or each part on its own; a long name on its own, too."""
    start = Text.assemble((name, NAME), (" ← ", QUIET))
    joined = " = ".join(parts)
    if start.cell_len + len(joined) <= room:
        yield line(start.append(joined))
        return
    indent = min(start.cell_len, room // 2)
    alone = indent < start.cell_len
    if alone:
        yield line(start)
    hanging = " " * (indent - 2)
    for number, part in enumerate(parts):
        for row, text in enumerate(folded(part, room - indent)):
            first = not number and not row
            sign = Text(hanging + ("  " if row or first else "= "))
            yield line((start if first and not alone else sign) + text)


def _values(update: ParameterUpdate) -> Iterator[Text]:
    rows = [("before", update.before), (".grad", update.grad), ("after", update.after)]
    name = "" if update.expression else f"{update.parameter} "
    cells = [[Text(f"  {name}{label}", style=QUIET), render_value(value)] for label, value in rows]
    yield from (line(row) for row in table(cells))


def _zero(zero: ZeroGrad, before: Value | None, width: int) -> Text:
    name = Text(f"{zero.parameter}.grad", style=NAME)
    after = Text.assemble((" → ", QUIET), render_value(zero.after))
    full = line(Text.assemble(name, "  ", render_value(before), after))
    if full.cell_len <= width:
        return full
    return line(Text.assemble(name, "  ", brief_value(before), after))


# --- light steps ---------------------------------------------------------------------------


def _light(view: StepView) -> Iterator[Text]:
    """The parameters before and after, and what happened to their ``.grad``."""
    parameters = list(view.step.parameters.values())
    columns = [
        [Text(_tail(each.name), style=NAME) for each in parameters],
        [_shape(each.before) for each in parameters],
        _column([each.before for each in parameters]),
        _column([each.grad for each in parameters]),
        _column([each.after for each in parameters]),
        [Text(_fate(each)) for each in parameters],
    ]
    headed = [
        [Text(head, style=QUIET), *column] for head, column in zip(_HEADS, columns, strict=True)
    ]
    used = [column for column in headed if any(column)]
    yield from (line(row) for row in table([list(row) for row in zip(*used, strict=True)]))
    hint = f"Recorded light. For every value and node, record with --full {view.step.index}."
    yield line(hint, style=QUIET)


def _tail(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def _shape(value: Value | None) -> Text:
    return Text("" if value is None or value.numel == 1 else shape(value.shape), style=QUIET)


def _column(values: Sequence[Value | None]) -> list[Text]:
    """Numbers with their decimal points in line; the norm of what is more than a number."""
    brief = [_brief(value) for value in values]
    points = [_before_point(text.plain) for text in brief]
    left = max(points, default=0)
    pairs = zip(brief, points, strict=True)
    return [Text(" " * (left - point if point else 0)) + text for text, point in pairs]


def _brief(value: Value | None) -> Text:
    if value is None or value.numel == 1:
        return brief_value(value)
    return Text(
        f"norm {scalar(value.norm, 4)}", style="" if math.isfinite(value.norm) else "bold red"
    )


def _before_point(text: str) -> int:
    """Columns before the decimal point; 0 for what is no number."""
    number = re.fullmatch(r"(-?\d+)([.e].*)?", text)
    return len(number[1]) if number else 0


def _fate(parameter: ParameterStep) -> str:
    words = {"set": "set", "accumulate": "added to", None: "not reached"}[parameter.mode]
    zeroed = {True: ", zeroed", False: ", kept", None: ""}[parameter.zeroed]
    return words + zeroed
