"""The cards of the graph picture: what happened at one node, as an HTML-like label.

A card has two columns, the same in every card: what the forward did on the left, what the
backward did on the right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import Markup, markup
from autograd_lens.render.graph_outline import Outline
from autograd_lens.render.numbers import shape
from autograd_lens.trace.arguments import operator_name
from autograd_lens.trace.records import Constant, GradWrite, Kernel, Node, NodeRun
from autograd_lens.trace.values import Value

__all__ = [
    "BACKWARD",
    "FORWARD",
    "GREY",
    "LEGEND",
    "QUIET",
    "Line",
    "brief",
    "card",
    "first",
    "leaf",
    "node",
    "operation",
    "root",
    "tensor",
]

FORWARD, BACKWARD, SAVED, QUIET, INK = "#1D4ED8", "#BE123C", "#92600A", "#64748B", "#0F172A"
_BORDER = "#94A3B8"
_FORWARD_TINT, _BACKWARD_TINT = "#F3F7FF", "#FFF5F6"
GREY, BLUE, GREEN, AMBER = (
    "#E2E8F0",
    "#BFDDF5",
    "#D3F59B",
    "#FBDFA6",
)  # torchviz's colours, a little softer
_MONO = "Courier New"
_SIZE, _SMALL, _TITLE = 10, 9, 13
_FORMULA_WIDTH = 48  # letters
_FEW = 4  # elements that are all written out


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


# --- what the cards say --------------------------------------------------------------------


def node(of: Outline, item: Node, source: Callable[[str], str | None] = lambda _: None) -> Markup:
    """The card of one autograd node."""
    run = of.runs.get(item.index)
    kernel = of.kernel(item)
    title = operation(item, kernel)
    order = f",  backward {run.order + 1} of {len(of.runs)}" if run else ""
    subtitle = f"{item.name}{order}"
    if item.variable is not None or item.name == "AccumulateGrad":
        return card(title, subtitle, [], _accumulate(of, item, run), header=GREY)
    left = [*_forward(kernel, source), *_saved(of, item)]
    return card(title, subtitle, left, _backward(of, item, run), header=GREY)


def brief(of: Outline, item: Node) -> Markup:
    """One autograd node on one line: its operation and the gradient that came in."""
    run = of.runs.get(item.index)
    grad = next((grad for grad in run.grad_outputs if grad is not None), None) if run else None
    gradient = f"   in {text.brief(grad)}" if grad is not None else ""
    return card(operation(item, of.kernel(item)), f"{item.name}{gradient}", [], [], header=GREY)


def operation(item: Node, kernel: Kernel | None) -> str:
    """The operation's name: ``mm`` for ``aten.mm.default``, ``Scale`` for ``ScaleBackward``.

    PyTorch numbers its own nodes (``MmBackward0``); a custom function's has no number, and
    the kernels it ran are not what it is.
    """
    if item.name == "AccumulateGrad":
        return "write .grad"
    if kernel is not None and not item.name.endswith("Backward"):
        return operator_name(kernel)
    return re.sub(r"Backward\d*$", "", item.name) or item.name


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
    kernel = None if item is None else of.kernel(item)
    names = [use.spec.name for use in kernel.outputs if use.spec.name] if kernel else []
    run = None if item is None else of.runs.get(item.index)
    grad = run.grad_outputs[0] if run and run.grad_outputs else None
    right = [Line(text.value(grad), BACKWARD, "starts with")] if grad is not None else []
    title = names[0] if names else "output"
    return card(
        title,
        "backward() starts here",
        [Line(text.value(value), FORWARD, "=")],
        right,
        header=GREEN,
    )


def _forward(kernel: Kernel | None, source: Callable[[str], str | None]) -> Iterable[Line]:
    if kernel is None:
        return
    if line := text.code(kernel.source, source):
        yield Line(text.shorten(line), INK, mono=True)
    results = [Line(text.value(use.value), FORWARD, "=") for use in kernel.outputs]
    yield from first(results, "results")


def _saved(of: Outline, item: Node) -> Iterable[Line]:
    cards_of_their_own = any(key.startswith(f"s{item.index}_") for key in of.base)
    for each in item.saved:
        # sizes and strides are seen in the results
        if "_sym_" in each.name or (each.name == "tensors" and cards_of_their_own):
            continue
        held = text.shorten(each.note) if each.value is None else text.saved(each.value)
        changed = "  (changed since!)" if each.changed else ""
        if held:
            yield Line(f"{held}{changed}", SAVED, f"keeps {each.name}")


def _backward(of: Outline, item: Node, run: NodeRun | None) -> Iterable[Line]:
    if run is None:
        return [Line("not run", QUIET)]
    many = len(run.grad_outputs) > 1
    incoming = [
        Line(text.value(grad), BACKWARD, f"in {number}" if many else "in")
        for number, grad in enumerate(run.grad_outputs)
    ]
    return [*first(incoming, "outputs"), *first(list(_outgoing(of, item, run)), "inputs")]


def _outgoing(of: Outline, item: Node, run: NodeRun) -> Iterable[Line]:
    """Formula and gradient of each input that needs one; a list's formula is said once."""
    known = dict(enumerate(text.gradients(item, of.kernel(item))))
    needed = sorted(edge.input_position for edge in of.graph.edges if edge.from_node == item.index)
    said = ""
    for position in needed:
        name, expression = known.get(position, (str(position), ""))
        if expression and expression != said:
            said = expression
            equation = f"{name.partition(' ')[0]} = {text.formula(expression)}"
            yield Line(text.shorten_call(equation, _FORMULA_WIDTH), QUIET, mono=True)
        if position < len(run.grad_inputs):
            yield Line(text.value(run.grad_inputs[position]), BACKWARD, f"out → {name}")


def first(lines: Sequence[Line], noun: str, most: int = 8) -> Iterable[Line]:
    """The first lines, and how many more there are."""
    yield from lines[:most]
    if (more := len(lines) - most) > 0:
        yield Line(f"and {more:,} more {noun}", QUIET)


def _accumulate(of: Outline, item: Node, run: NodeRun | None) -> Iterable[Line]:
    write = next((w for w in of.backward.grad_writes if w.parameter == item.variable), None)
    if run is not None and run.grad_outputs:
        yield Line(text.value(run.grad_outputs[0]), BACKWARD, "in")
    if write is not None:
        yield Line(_written(write), INK, f"{write.parameter}.grad")
    elif run is None:
        yield Line("not run", QUIET)


def _written(write: GradWrite) -> str:
    if write.mode == "set":
        return f"was None, set to {_short(write.after)}"
    return f"was {_short(write.before)}, now {_short(write.after)} (accumulated)"


def _short(tensor: Value | None) -> str:
    return text.value(tensor) if tensor is None or tensor.numel <= _FEW else text.brief(tensor)


# --- how a card looks ----------------------------------------------------------------------


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
    width = _width((title, _TITLE), (f"   {subtitle}", _SIZE))
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
    width = _width((f"{line.label}  ", _SMALL), (line.text, size))
    return (
        f'<TD{span} BGCOLOR="{tint}" ALIGN="LEFT"{width}>'
        f"{label if line.label else ''}"
        f'<FONT POINT-SIZE="{size}" COLOR="{line.color}"{face}>{markup(line.text)}  </FONT></TD>'
    )


def _width(*parts: tuple[str, int]) -> str:
    """A least width in points, where an engine may not know how wide the letters are."""
    if all(words.isascii() for words, _ in parts):
        return ""
    points = sum(_em(letter) * size for words, size in parts for letter in words)
    return f' WIDTH="{round(points) + 8}"'


def _em(letter: str) -> float:
    """About how wide a letter is, in units of the font's size; Chinese fills its square."""
    if letter.isascii():
        return 0.55
    return 1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.65
