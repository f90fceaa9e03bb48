"""Walking the autograd graph while it is alive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.live import doors

__all__ = [
    "GraphWalk",
    "SavedField",
    "SavedFields",
    "SavedPlace",
    "leaf_outline",
    "root_nodes",
    "saved_at",
    "sequence_number",
    "signed",
    "walk_graph",
]

# torch gives its nodes no common Python base class that could be named here.
AutogradNode = Any

_NO_SEQUENCE = 2**64 - 1
_LEAF_EDGE: Any = torch.empty(0, requires_grad=True).expand(1, 0).grad_fn
_ACCUMULATE: object = type(_LEAF_EDGE.next_functions[0][0])
del _LEAF_EDGE


def root_nodes(outputs: Sequence[Any]) -> list[AutogradNode]:
    """The nodes a backward starts from; a leaf root has its ``AccumulateGrad``."""
    roots = []
    for output in outputs:
        if isinstance(output, torch.Tensor):
            node = output.grad_fn
            if node is None and output.requires_grad:
                with _disable_current_modes():  # it runs a kernel, which is none of the program's
                    node = torch.autograd.graph.get_gradient_edge(output).node
        else:
            node = getattr(output, "node", None)
        if node is not None:
            roots.append(node)
    return roots


def leaf_outline(roots: Iterable[AutogradNode]) -> tuple[tuple[type, ...], list[torch.Tensor]]:
    """The types of all nodes in depth-first order, and the leaves they end in.

    This is all that a light step sees of its graph, so it is kept short: about a fifth of a
    microsecond a node.
    """
    stack = list(roots)
    seen = set(stack)
    types: list[type] = []
    leaves: list[torch.Tensor] = []
    accumulate = _ACCUMULATE
    while stack:
        node = stack.pop()
        kind = type(node)
        types.append(kind)
        if kind is accumulate:
            leaves.append(node.variable)
            continue
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append(child)
    return tuple(types), leaves


@dataclass(frozen=True, slots=True)
class GraphWalk:
    """The graph of one backward.

    Attributes:
        nodes: Nodes in breadth-first order, roots first.
        index: Position of each node in ``nodes``.
        edges: (from_node, input_position, to_node, output_nr) of every edge.
        sequence: Sequence number of each node, -1 where it has none.
        variables: The leaf of each ``AccumulateGrad`` by node position.
    """

    nodes: list[AutogradNode]
    index: dict[AutogradNode, int]
    edges: tuple[tuple[int, int, int, int], ...]
    sequence: tuple[int, ...]
    variables: dict[int, torch.Tensor]


def walk_graph(roots: Iterable[AutogradNode]) -> GraphWalk:
    """All nodes and edges reached from the roots; no recursion, so depth does not matter."""
    nodes: list[AutogradNode] = list(dict.fromkeys(roots))
    index = {node: position for position, node in enumerate(nodes)}
    edges: list[tuple[int, int, int, int]] = []
    variables: dict[int, torch.Tensor] = {}
    node: AutogradNode
    for position, node in enumerate(nodes):  # nodes grows while we go through it
        if node.__class__ is _ACCUMULATE:
            variables[position] = node.variable
        for input_position, (child, output_nr) in enumerate(node.next_functions):
            if child is None:
                continue
            if child not in index:
                index[child] = len(nodes)
                nodes.append(child)
            edges.append((position, input_position, index[child], output_nr))
    numbers = [node._sequence_nr() for node in nodes]
    sequence = tuple([-1 if number == _NO_SEQUENCE else number for number in numbers])
    return GraphWalk(nodes, index, tuple(edges), sequence, variables)


@dataclass(frozen=True, slots=True)
class SavedPlace:
    """Where in a graph a tensor is saved.

    Attributes:
        path: The position of the edge to follow from the root, and from each node behind it.
        node: Name of the type of the node there.
        name: Name of the tensor in PyTorch's formula.
    """

    path: tuple[int, ...]
    node: str
    name: str


def saved_at(outputs: Sequence[Any], place: SavedPlace) -> torch.Tensor | None:
    """The tensor that stands in a place of the graph of one root; None where none does.

    Raises:
        RuntimeError: It was freed already.
    """
    node: AutogradNode = root_nodes(outputs)[0] if len(outputs) == 1 else None
    for position in place.path:
        following = () if node is None else node.next_functions
        node = following[position][0] if position < len(following) else None
    held = getattr(node, f"_raw_saved_{place.name}", None)
    if type(node).__name__ != place.node or isinstance(held, tuple):
        return None
    return doors.saved_data(held)


def sequence_number(node: AutogradNode) -> int:
    """The node's sequence number, -1 where it has none (``AccumulateGrad``)."""
    number = node._sequence_nr()
    return -1 if number == _NO_SEQUENCE else number


@dataclass(frozen=True, slots=True)
class SavedField:
    """One attribute that a node type keeps for its backward.

    Attributes:
        name: Name in PyTorch's formula.
        attribute: Attribute of the node that holds it.
        tensor: Whether it holds one or several ``SavedTensor``.
    """

    name: str
    attribute: str
    tensor: bool


class SavedFields:
    """What each type of node saves, looked up once per type."""

    def __init__(self) -> None:
        self._fields: dict[type, tuple[SavedField, ...]] = {}

    def of(self, node: AutogradNode) -> tuple[SavedField, ...]:
        """The saved attributes of a node."""
        kind = type(node)
        fields = self._fields.get(kind)
        if fields is None:
            fields = self._fields[kind] = _saved_fields(kind)
        return fields


def _saved_fields(kind: type) -> tuple[SavedField, ...]:
    names = dir(kind)
    raw = [n for n in names if n.startswith("_raw_saved_")]
    fields = [SavedField(n.removeprefix("_raw_saved_"), n, tensor=True) for n in raw]
    taken = {f"_saved_{field.name}" for field in fields}
    fields += [
        SavedField(n.removeprefix("_saved_"), n, tensor=False)
        for n in names
        if n.startswith("_saved_") and n not in taken
    ]
    return tuple(fields)


def read_saved(node: AutogradNode, field: SavedField, on_tensor: Callable[[Any], Any]) -> Any:
    """What one saved attribute holds now.

    NOTE 1 [Unpacking without side effects]: ``_saved_*`` unpacks, which calls the hooks that
    a program may have installed (activation checkpointing recomputes a whole segment in
    them) and raises where a version does not match. ``SavedTensor.data`` does neither. So it
    is read instead, and a tensor that some hook has packed is left alone.

    Args:
        node: The node.
        field: One of its saved attributes.
        on_tensor: Called with each tensor; its result stands for the tensor.

    Returns:
        The result of ``on_tensor``, a tuple of them, or a constant.
    """
    held = getattr(node, field.attribute)
    if not field.tensor:
        return signed(held)
    if isinstance(held, tuple):
        return tuple(_saved_data(item, on_tensor) for item in held)
    return _saved_data(held, on_tensor)


def signed(held: Any) -> Any:
    """A saved constant as PyTorch means it.

    Its accessors give 64-bit numbers without their sign: ``ignore_index`` of -100 reads
    18446744073709551516.
    """
    if isinstance(held, tuple):
        return tuple(map(signed, held))
    beyond = isinstance(held, int) and not isinstance(held, bool) and held >= 1 << 63
    return held - (1 << 64) if beyond else held


def _saved_data(saved: Any, on_tensor: Callable[[Any], Any]) -> Any:
    data = doors.saved_data(saved)
    return None if data is None else on_tensor(data)
