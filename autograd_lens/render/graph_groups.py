"""The card of a group of nodes in a folded graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePath

from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import Markup
from autograd_lens.render.graph_card import BACKWARD, FORWARD, GREY, Line, card, first
from autograd_lens.render.graph_cards import operation
from autograd_lens.render.graph_fold import Group
from autograd_lens.render.graph_outline import Outline
from autograd_lens.trace.records import Node

__all__ = ["group_card"]

_LISTED = 4


def group_card(of: Outline, group: Group, source: Callable[[str], str | None]) -> Markup:
    """What a group holds: how many of which operations, and which parameters."""
    nodes = [of.graph.nodes[index] for index in group.nodes]
    noun = "node" if len(nodes) == 1 else "nodes"
    left = [*_operations(of, nodes), *_result(of, nodes)]
    right = [*_incoming(of, nodes[0]), *_parameters(of, nodes)]
    return card(_title(group, source), f"{len(nodes):,} {noun}", left, right, header=GREY)


def _title(group: Group, source: Callable[[str], str | None]) -> str:
    if group.module:
        return group.module
    if group.part >= 0:
        return f"part {group.part + 1}"
    if group.source is None:
        return "other nodes"
    name = f"{PurePath(group.source.file).name}:{group.source.line}"
    line = text.shorten(text.line(group.source, source), 60)
    return f"{line}  ({name})" if line else name


def _operations(of: Outline, nodes: Iterable[Node]) -> Iterable[Line]:
    names = Counter(operation(node, of.kernel(node)) for node in nodes).most_common()
    lines = [Line(f"{name} ×{count:,}" if count > 1 else name) for name, count in names]
    return first(lines, "operations", _LISTED)


def _result(of: Outline, nodes: Iterable[Node]) -> Iterable[Line]:
    """The forward's last result: the group's first node that a kernel made."""
    made = next((kernel for node in nodes if (kernel := of.kernel(node))), None)
    if made is not None and made.outputs:
        yield Line(text.value(made.outputs[0].value), FORWARD, "=")


def _incoming(of: Outline, node: Node) -> Iterable[Line]:
    run = of.runs.get(node.index)
    for grad in run.grad_outputs[:1] if run else ():
        yield Line(text.value(grad), BACKWARD, "in")


def _parameters(of: Outline, nodes: Iterable[Node]) -> Iterable[Line]:
    names = [node.variable for node in nodes if node.variable is not None]
    return first([_grad(of, name) for name in names], "parameters", _LISTED)


def _grad(of: Outline, name: str) -> Line:
    known = of.step.parameters.get(name)
    return Line(text.brief(known.grad if known else None), BACKWARD, f"{name}.grad")
