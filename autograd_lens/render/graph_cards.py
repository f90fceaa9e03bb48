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
from autograd_lens.trace.records import GradWrite, Kernel, Node, NodeRun, SavedTensor
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
    left = [*_forward(kernel, source), *_saved(item.saved)]
    return card(title, subtitle, left, _backward(of, item, run), header=GREY)


def brief(of: Outline, item: Node) -> Markup:
    """One autograd node on one line: its operation and the gradient that came in."""
    run = of.runs.get(item.index)
    grad = next((grad for grad in run.grad_outputs if grad is not None), None) if run else None
    gradient = f"   in {text.brief(grad)}" if grad is not None else ""
    return card(operation(item, of.kernel(item)), f"{item.name}{gradient}", [], [], header=GREY)


def operation(item: Node, kernel: Kernel | None) -> str:
    """The operation's name: ``mm`` for ``aten.mm.default``, ``Scale`` for ``ScaleBackward``."""
    if kernel is not None:
        return operator_name(kernel)
    if item.name == "AccumulateGrad":
        return "write .grad"
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


def tensor(label: str, what: str) -> Markup:
    """A tensor of which torchviz knows the sizes alone: saved by a custom function, or a base."""
    return card(what, " ".join(label.split()), [], [], header=AMBER if what == "saved" else GREEN)


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


def _saved(saved: Sequence[SavedTensor]) -> Iterable[Line]:
    for item in saved:
        held = text.shorten(item.note) if item.value is None else text.saved(item.value)
        changed = "  (changed since!)" if item.changed else ""
        if held:
            yield Line(f"{held}{changed}", SAVED, f"keeps {item.name}")


def _backward(of: Outline, item: Node, run: NodeRun | None) -> Iterable[Line]:
    if run is None:
        return [Line("not run", QUIET)]
    many = len(run.grad_outputs) > 1
    incoming = [
        Line(text.value(grad), BACKWARD, f"in {number}" if many else "in")
        for number, grad in enumerate(run.grad_outputs)
    ]
    known = dict(enumerate(text.gradients(item, of.kernel(item))))
    needed = sorted(e.input_position for e in of.graph.edges if e.from_node == item.index)
    outgoing = [
        line
        for position in needed
        if position < len(run.grad_inputs)
        for line in _outgoing(*known.get(position, (str(position), "")), run.grad_inputs[position])
    ]
    return [*first(incoming, "outputs"), *first(outgoing, "inputs")]


def _outgoing(name: str, expression: str, grad: Value | None) -> Iterable[Line]:
    if expression:
        equation = f"{name.partition(' ')[0]} = {text.formula(expression)}"
        yield Line(text.shorten_call(equation, _FORMULA_WIDTH), QUIET, mono=True)
    yield Line(text.value(grad), BACKWARD, f"out → {name}")


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
