"""The cards of the graph picture: what each node, leaf and root has to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import Markup
from autograd_lens.render.graph_card import (
    AMBER,
    BACKWARD,
    BLUE,
    FORWARD,
    GREEN,
    GREY,
    INK,
    QUIET,
    SAVED,
    Line,
    card,
    first,
)
from autograd_lens.render.graph_outline import Outline
from autograd_lens.render.numbers import shape
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, GradWrite, Kernel, Node, NodeRun
from autograd_lens.trace.values import Value

__all__ = ["brief", "leaf", "node", "operation", "root", "tensor"]

_FORMULA_WIDTH = 48  # letters
_FEW = 4  # elements that are all written out


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
