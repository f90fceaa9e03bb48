"""The live graph of a replayed backward, compared with the recorded one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autograd_lens.errors import ReplayError

__all__ = ["LiveGraph", "check_graph", "walk"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveGraph:
    """The nodes that a backward will run through.

    Attributes:
        nodes: In breadth-first order, roots first: the order of the template.
        edges: (from_node, input_position, to_node, output_nr) of every edge.
    """

    nodes: list[Any]
    edges: list[list[int]]


def walk(roots: Sequence[torch.Tensor]) -> LiveGraph:
    """The graph behind some tensors."""
    nodes: list[Any] = list(dict.fromkeys(_node_of(root) for root in roots))
    index = {node: position for position, node in enumerate(nodes)}
    edges = []
    for position, node in enumerate(nodes):  # nodes grows while we go through it
        for input_position, (child, output_nr) in enumerate(node.next_functions):
            if child is None:
                continue
            if child not in index:
                index[child] = len(nodes)
                nodes.append(child)
            edges.append([position, input_position, index[child], output_nr])
    return LiveGraph(nodes, edges)


def _node_of(root: torch.Tensor) -> Any:
    node = root.grad_fn
    return torch.autograd.graph.get_gradient_edge(root).node if node is None else node


def check_graph(graph: LiveGraph, recorded: Json) -> None:
    """Compare a live graph with the one that was recorded.

    Raises:
        ReplayError: They differ; the message says where.
    """
    names = [node["name"] for node in recorded["nodes"]]
    live = [type(node).__name__ for node in graph.nodes]
    for position, name in enumerate(names):
        if position >= len(live) or live[position] != name:
            _refuse(name, live[position] if position < len(live) else "nothing")
    if len(live) > len(names):
        _refuse("nothing", live[len(names)])
    if graph.edges != [list(edge) for edge in recorded["edges"]]:
        msg = "The replayed graph connects its nodes otherwise than the recorded one."
        raise ReplayError(msg)


def _refuse(name: str, live: str) -> None:
    if name not in {*dir(torch._C._functions), "nothing"}:
        msg = (
            f"{name} is a custom autograd.Function: its backward is the program's own code, "
            "which a trace does not hold."
        )
        raise ReplayError(msg)
    msg = f"The recorded graph has {name} where the replayed one has {live}."
    raise ReplayError(msg)
