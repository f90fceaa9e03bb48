"""The cards of the graph picture: what each node, leaf, root and box has to say.

A card is a header and two columns of lines, as an HTML-like label. The columns are the same in
every card: what the forward did on the left, what the backward did on the right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePath

from autograd_lens.analysis.story import NodeStory, Outgoing, formula, operation
from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import Markup, markup
from autograd_lens.render.graph_outline import Outline
from autograd_lens.render.metrics import text_width
from autograd_lens.render.numbers import scalar, shape
from autograd_lens.render.rooms import Box, Rooms
from autograd_lens.trace.records import Constant, GradWrite, Node
from autograd_lens.trace.values import Value

__all__ = [
    "BACKWARD",
    "FORWARD",
    "LEGEND",
    "QUIET",
    "Line",
    "arrivals",
    "box",
    "box_title",
    "brief",
    "card",
    "close",
    "grad_of",
    "leaf",
    "node",
    "not_run",
    "root",
    "stopped",
    "tensor",
]

FORWARD, BACKWARD, SAVED, QUIET, INK = "#1D4ED8", "#BE123C", "#92600A", "#64748B", "#0F172A"
# torchviz's colours of functions, leaves, outputs and saved tensors, a little softer
GREY, BLUE, GREEN, AMBER, ALARM = "#E2E8F0", "#BFDDF5", "#D3F59B", "#FBDFA6", "#FCA5A5"
_BORDER = "#94A3B8"
_FORWARD_TINT, _BACKWARD_TINT = "#F3F7FF", "#FFF5F6"
_MONO = "Courier New"
_SIZE, _SMALL, _TITLE = 10, 9, 13  # points
_FORMULA_WIDTH = 48  # letters
_FEW = 4  # elements that are all written out
_LISTED = 3  # operations of a box
_WRITTEN_OUT = 2  # parameters of a box


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card.

    Attributes:
        text: What it says.
        color: Colour of the text.
        label: A word in front of it, in a quiet colour.
        mono: Whether it is code.
    """

    text: str
    color: str = INK
    label: str = ""
    mono: bool = False


LEGEND = Markup(
    f'<FONT POINT-SIZE="10" COLOR="{FORWARD}">forward runs down</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{BACKWARD}">gradients flow up</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{SAVED}">kept from forward for backward</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{QUIET}">long tensors: smallest to largest, mean</FONT>'
)


def card(
    title: str, subtitle: str, left: Iterable[Line], right: Iterable[Line], *, header: str
) -> Markup:
    """A table: a header, then the lines of both columns side by side."""
    left, right = list(left), list(right)
    span = "" if left and right else ' COLSPAN="2"'
    rows = [_header(title, subtitle, header)]
    for one, other in zip_longest(left, right):
        cells = _cell(one, _FORWARD_TINT, span) if left else ""
        cells += _cell(other, _BACKWARD_TINT, span) if right else ""
        rows.append(f"<TR>{cells}</TR>")
    return Markup(
        f'<TABLE BORDER="1" COLOR="{_BORDER}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f"{''.join(rows)}</TABLE>"
    )


def _header(title: str, subtitle: str, color: str) -> str:
    """The operation, and what PyTorch calls its node."""
    width = _width(text_width(title, _TITLE, bold=True) + text_width(f"   {subtitle}", _SIZE))
    return (
        f'<TR><TD COLSPAN="2" ALIGN="LEFT" BGCOLOR="{color}"{width}>'
        f'<FONT POINT-SIZE="{_TITLE}" COLOR="{INK}"><B>{markup(title)}</B></FONT>'
        f'<FONT POINT-SIZE="{_SIZE}" COLOR="{QUIET}">   {markup(subtitle)}</FONT></TD></TR>'
    )


def _cell(line: Line | None, tint: str, span: str) -> str:
    if line is None:
        return f'<TD BGCOLOR="{tint}"></TD>'
    size = _SMALL if line.mono else _SIZE
    face = f' FACE="{_MONO}"' if line.mono else ""
    label = f'<FONT POINT-SIZE="{_SMALL}" COLOR="{QUIET}">{markup(line.label)}  </FONT>'
    width = _width(
        text_width(f"{line.label}  ", _SMALL) + text_width(f"{line.text}  ", size, mono=line.mono)
    )
    return (
        f'<TD{span} BGCOLOR="{tint}" ALIGN="LEFT"{width}>'
        f"{label if line.label else ''}"
        f'<FONT POINT-SIZE="{size}" COLOR="{line.color}"{face}>{markup(line.text)}  </FONT></TD>'
    )


def _width(points: float) -> str:
    """A least width in points: an engine may measure with another font, or not at all."""
    return f' WIDTH="{round(points) + 8}"'


def _first(lines: Sequence[Line], noun: str, most: int = 8) -> Iterable[Line]:
    """The first lines, and how many more there are."""
    yield from lines[:most]
    if (more := len(lines) - most) > 0:
        yield Line(f"and {more:,} more {noun}", QUIET)


# --- nodes ---------------------------------------------------------------------------------


def node(of: Outline, index: int) -> Markup:
    """The card of one autograd node."""
    story = of.stories.of(index)
    order = "" if story.order is None else f",  backward {story.order + 1} of {_count(of)}"
    subtitle = f"{story.node.name}{order}"
    if story.node.variable is not None or story.node.name == "AccumulateGrad":
        return card(story.operation, subtitle, [], _accumulate(story), header=GREY)
    left = [*_forward(of, story), *_saved(of, story)]
    return card(story.operation, subtitle, left, _backward(story, of), header=GREY)


def close(of: Outline, rooms: Rooms, item: Box) -> Markup:
    """The card of a node with the parameters that it alone uses, and views of them."""
    story = of.stories.of(item.nodes[-1])
    order = "" if story.order is None else f",  backward {story.order + 1} of {_count(of)}"
    module = ".".join(rooms.paths[story.node.index])
    result, code = list(_forward(of, story))[1:2], text.code(story.source, of.source)
    leaves = {
        out.receiver.index: out.parameter
        for index in item.nodes
        for out in of.stories.of(index).outgoing
        if out.receiver is not None and out.parameter
    }
    right = list(_backward(story, of, frozenset({*item.nodes, *leaves})))
    left = [Line(text.shorten(code), INK, mono=True), *result] if code else result
    left += _saved(of, story, besides={*leaves.values()})
    for index, name in leaves.items():
        known = of.step.parameters.get(name)
        left.append(Line(text.value(known.before if known else None), FORWARD, name))
        right += list(_accumulate(of.stories.of(index)))[-1:]
    title = f"{module}  {story.operation}" if module else story.operation
    return card(title, f"{story.node.name}{order}", left, right, header=GREY)


def _count(of: Outline) -> int:
    return len(of.backward.node_runs)


def brief(of: Outline, index: int) -> Markup:
    """One autograd node on one line: its operation and the gradient that came in."""
    story = of.stories.of(index)
    grad = next((each.value for each in story.incoming if each.value is not None), None)
    gradient = f"   in {text.brief(grad)}" if grad is not None else ""
    return card(story.operation, f"{story.node.name}{gradient}", [], [], header=GREY)


def not_run(label: str) -> Markup:
    """The card of what torchviz drew and no engine ran."""
    return card(label, "not run", [], [], header=GREY)


def stopped(message: str) -> Markup:
    """The card of the error that ended a forward."""
    return card("The program stopped", text.shorten(message, 110), [], [], header=ALARM)


def leaf(of: Outline, item: Node, *, short: bool = False) -> Markup:
    """The card of a leaf: its name, value and ``.grad``; on one line where it is short."""
    name = item.variable or "leaf"
    known = of.step.parameters.get(name)
    if known is None or known.before is None:
        return card(name, "leaf", [], [], header=BLUE)
    kind = f"{shape(known.before.shape)}  {known.before.dtype}"
    if short:
        return card(name, f"{kind}   .grad {text.brief(known.grad)}", [], [], header=BLUE)
    value = [Line(text.value(known.before), FORWARD, "value")]
    return card(name, kind, value, [Line(text.value(known.grad), BACKWARD, ".grad")], header=BLUE)


def tensor(of: Outline, key: str) -> Markup:
    """A tensor that torchviz drew: saved by a custom function, or what a root is a view of.

    Its sizes in torchviz's DOT are those of the first step of this structure, so they are
    not repeated here.
    """
    node, _, position = key[1:].partition("_")
    if key[0] != "s":
        return card(
            "base" if key[0] == "v" else "leaf", "seen through a view", [], [], header=GREEN
        )
    value = _saved_at(of.graph.nodes[int(node)], int(position)) if node.isdecimal() else None
    lines = [] if value is None else [Line(text.saved(value), SAVED)]
    return card("saved", "by the custom function", lines, [], header=AMBER)


def _saved_at(item: Node, position: int) -> Value | Constant | None:
    """What a custom function saved; the record keeps all of it as one tuple."""
    for each in item.saved:
        if isinstance(each.value, tuple) and position < len(each.value):
            return each.value[position]
    return None


def root(of: Outline, position: int, item: Node | None) -> Markup:
    """The card of a tensor that backward started from."""
    value = of.backward.roots[position] if position < len(of.backward.roots) else None
    story = None if item is None else of.stories.of(item.index)
    uses = story.kernel.outputs if story and story.kernel else ()
    title = next((use.spec.name for use in uses if use.spec.name), "output")
    grad = story.incoming[0].value if story and story.incoming else None
    left = [Line(text.value(value), FORWARD, "=")]
    right = [Line(text.value(grad), BACKWARD, "starts with")] if grad is not None else []
    return card(title, "backward() starts here", left, right, header=GREEN)


def _forward(of: Outline, story: NodeStory) -> Iterable[Line]:
    if story.kernel is None:
        return
    if line := text.code(story.source, of.source):
        yield Line(text.shorten(line), INK, mono=True)
    results = [Line(text.value(use.value), FORWARD, "=") for use in story.kernel.outputs]
    yield from _first(results, "results")


def _saved(
    of: Outline, story: NodeStory, *, besides: Collection[str] | None = None
) -> Iterable[Line]:
    """What it keeps; beside what is named, only tensors whose content its formula uses."""
    cards_of_their_own = any(key.startswith(f"s{story.node.index}_") for key in of.base)
    for each in story.kept:
        # sizes and strides are seen in the results
        if "_sym_" in each.name or (each.name == "tensors" and cards_of_their_own):
            continue
        if each.value == ():
            continue
        if besides is not None and not (
            each.used and isinstance(each.value, Value) and not {each.tensor} & {*besides}
        ):
            continue
        held = text.shorten(each.note) if each.value is None else text.saved(each.value)
        changed = "  (changed since!)" if each.changed else ""
        if held:
            yield Line(f"{held}{changed}", SAVED, f"keeps {each.name}")


def _backward(
    story: NodeStory, of: Outline, inside: frozenset[int] = frozenset()
) -> Iterable[Line]:
    if story.run is None:
        return [Line("not run", QUIET)]
    many = len(story.incoming) > 1
    incoming = [
        Line(text.value(each.value), BACKWARD, f"in {number}" if many else "in")
        for number, each in enumerate(story.incoming)
    ]
    outgoing = [each for each in story.outgoing if each.edge is not None]
    return [*_first(incoming, "outputs"), *_first(list(_outgoing(outgoing, of, inside)), "inputs")]


def _outgoing(outgoing: Sequence[Outgoing], of: Outline, inside: frozenset[int]) -> Iterable[Line]:
    """Formula and gradient of each input that needs one; a list's formula is said once.

    Of a gradient that stays inside of the card, what became of it is told elsewhere.
    """
    said = ""
    for position, each in enumerate(outgoing):
        if each.formula and each.formula != said:
            said = each.formula
            equation = f"{each.argument} = {formula(each.formula)}"
            yield Line(text.shorten_call(equation, _FORMULA_WIDTH), QUIET, mono=True)
        if each.own and not position:
            yield Line("the program's own backward", QUIET)
        if each.receiver is None or each.receiver.index not in inside:
            yield Line(text.value(each.value), BACKWARD, f"out → {_called(each, of) or position}")


def _called(outgoing: Outgoing, of: Outline) -> str:
    """The formula's name of an input, and the program's where it has one: ``mat2 (w1)``."""
    if not outgoing.argument:
        return outgoing.name
    known = of.stories.names.known(outgoing.use.tensor) if outgoing.use else ""
    return f"{outgoing.argument} ({known})" if known else outgoing.argument


def _accumulate(story: NodeStory) -> Iterable[Line]:
    for incoming in story.incoming[:1]:
        yield Line(text.value(incoming.value), BACKWARD, "in")
    if story.write is not None:
        yield Line(_written(story.write), INK, f"{story.write.parameter}.grad")
    elif story.run is None:
        yield Line("not run", QUIET)


def _written(write: GradWrite) -> str:
    if write.cleared:
        return f"was {_short(write.before)}, got {_short(write.incoming)}, then cleared by a hook"
    if write.mode == "set":
        return f"was None, set to {_short(write.after)}"
    return f"was {_short(write.before)}, now {_short(write.after)} (accumulated)"


def _short(tensor: Value | None) -> str:
    return text.value(tensor) if tensor is None or tensor.numel <= _FEW else text.brief(tensor)


# --- boxes of a folded graph ---------------------------------------------------------------


def box(of: Outline, rooms: Rooms, item: Box, within: str = "") -> Markup:
    """What many nodes did together: the last result, what came back, what went to parameters.

    Args:
        of: The graph.
        rooms: Its rooms.
        item: The nodes.
        within: The module that the frame around it names, so that it need not.
    """
    nodes = [of.graph.nodes[index] for index in item.nodes]
    count = "" if len(nodes) == 1 else f"{len(nodes):,} nodes"
    title = box_title(of, item).removeprefix(f"{within}.")
    if len(nodes) == 1 and item.kind == "node":
        count = nodes[0].name
    left = [*_operations(of, nodes if item.kind != "node" else ()), *_result(of, nodes)]
    right = [*_arrived(of, item), *_parameters(of, rooms, item)]
    header, warning = _state(of, rooms, item)
    return card(f"{title}{warning}", count, left, right, header=header)


def box_title(of: Outline, item: Box) -> str:
    """The name of a box: its module, line or operation, and how often it was there."""
    times = f"  ×{len(item.copies):,}" if len(item.copies) > 1 else ""
    if item.kind == "room":
        return f"{_span(item.names)}{times}"
    if item.kind == "part":
        return f"part {int(item.name) + 1}{times}"
    if item.kind == "node":
        last = of.graph.nodes[item.nodes[-1]]
        return f"{operation(last, of.kernel(last))}{times}"
    if item.source is None:
        return f"other nodes{times}"
    name = f"{PurePath(item.source.file).name}:{item.source.line}"
    line = text.shorten(text.line(item.source, of.source), 60)
    return f"{line}  ({name}){times}" if line else f"{name}{times}"


def _span(names: Sequence[str]) -> str:
    """``layers.0`` to ``layers.11``; one name where all are the same."""
    different = list(dict.fromkeys(names))
    if len(different) < 2:
        return different[0] if different else ""
    return f"{different[0]} … {different[-1].rpartition('.')[2]}"


def _state(of: Outline, rooms: Rooms, item: Box) -> tuple[str, str]:
    """The colour of the header, and what is wrong with the gradients, in words."""
    found = [_worst(value) for value in arrivals(of, item)]
    found += [_worst(grad_of(of, name)) for name in rooms.parameters(item.nodes)]
    for word in ("NaN", "infinite", "zero"):
        if word in found:
            what = "all zero" if word == "zero" else word
            return (ALARM if word != "zero" else AMBER), f"   gradient {what}"
    return GREY, ""


def _worst(value: Value | None) -> str:
    """What stands out in a gradient: ``"NaN"``, ``"infinite"``, ``"zero"`` or nothing."""
    if value is None:
        return ""
    norm = value.norm
    if math.isnan(norm):
        return "NaN"
    return "infinite" if math.isinf(norm) else "zero" if norm == 0 else ""


def arrivals(of: Outline, item: Box) -> list[Value | None]:
    """The gradient that arrived at each repetition of a box."""
    return [
        next((each.value for each in of.stories.of(copy[-1]).incoming[:1]), None)
        for copy in item.copies
    ]


def grad_of(of: Outline, name: str) -> Value | None:
    """A parameter's ``.grad`` behind the backward."""
    known = of.step.parameters.get(name)
    return known.grad if known else None


def _operations(of: Outline, nodes: Iterable[Node]) -> Iterable[Line]:
    names = Counter(operation(item, of.kernel(item)) for item in nodes)
    words = [f"{name} ×{count:,}" if count > 1 else name for name, count in names.most_common()]
    if words:
        more = f", … {len(words) - _LISTED} more" if len(words) > _LISTED else ""
        yield Line(f"{', '.join(words[:_LISTED])}{more}", QUIET)


def _result(of: Outline, nodes: Sequence[Node]) -> Iterable[Line]:
    """The forward's last result."""
    made = next((kernel for item in reversed(nodes) if (kernel := of.kernel(item))), None)
    if made is not None and made.outputs:
        yield Line(text.brief(made.outputs[0].value), FORWARD, "=")


def _arrived(of: Outline, item: Box) -> Iterable[Line]:
    values = arrivals(of, item)
    norms = [value.norm for value in values if value is not None]
    if len(values) > 1 and norms:
        yield Line(f"norm {scalar(min(norms), 4)} to {scalar(max(norms), 4)}", BACKWARD, "in")
    elif norms:
        yield Line(text.brief(values[0]), BACKWARD, "in")


def _parameters(of: Outline, rooms: Rooms, item: Box) -> Iterable[Line]:
    names = rooms.parameters([node for copy in item.copies for node in copy])
    if len(names) <= _WRITTEN_OUT:
        prefix = f"{item.name}." if item.kind == "room" else ""
        for name in names:
            label = f"{name.removeprefix(prefix)}.grad"
            yield Line(text.brief(grad_of(of, name)), BACKWARD, label)
        return
    norms = [value.norm for name in names if (value := grad_of(of, name)) is not None]
    low, high = (scalar(pick(norms), 4) for pick in (min, max)) if norms else ("", "")
    missing = f", {len(names) - len(norms)} None" if len(norms) < len(names) else ""
    size = f"norm {low} to {high}" if norms else "None"
    yield Line(f"{size}{missing}", BACKWARD, f"{len(names)} parameters’ .grad")
