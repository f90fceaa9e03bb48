"""Messages of a graph network come from the wrong nodes.

What it finds:
    An adjacency matrix whose diagonal is 0, in a network in which nothing else hands on what a node
    itself knows; edges of a batch of graphs that are those of the first one, over and over.

Why it is bad:
    A node is judged by its neighbours alone, or gets no message at all.

Evidence it needs:
    Two full steps: the matrix, or the ends of the edges.

Example:
    h = adjacency @ linear(x)

Corrected:
    h = (adjacency + torch.eye(n)) @ linear(x)

When it is silent:
    Networks that read the nodes on another way as well, and edges that reach every graph.

References:
    https://arxiv.org/abs/1609.02907
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL437", "graph-misread", "warning", "full")

_PAIR = 2
_Cases = Iterator[Case | None]
_FEWEST = 8  # nodes
_GATHERS = frozenset({"index_add", "index_add_", "scatter_add", "scatter_add_"})
_LINEAR = frozenset({"addmm", "mm"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such graph."""
    yield from told(RULE, evidence, _cases(_alone), fewest=_PAIR)
    yield from told(RULE, evidence, _cases(_of_first), fewest=_PAIR)


def _cases(look: Callable[[TapeIndex, Kernel], Case | None]) -> Callable[[TapeIndex], _Cases]:
    return lambda tape: (look(tape, kernel) for kernel in tape.kernels)


def _alone(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``A @ f(x)`` with zeros on A's diagonal, where nothing else reads f(x) or x."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mm" else []
    if len(pair) != _PAIR or not kernel.requires_grad or not _is_graph(tape, pair[0]):
        return None
    layer = tape.through_views(pair[1].tensor, kernel.index)
    if layer is None or operator_name(layer) not in _LINEAR or not layer.requires_grad:
        return None
    given = argument(layer, "mat1") or argument(layer, "self")
    beside = [one for one in tape.readers(pair[1].tensor) if one.index != kernel.index]
    others = [one for one in tape.readers(given.tensor) if one is not layer] if given else [layer]
    if [one for one in (*beside, *others) if operator_name(one) not in ("detach", "t")]:
        return None
    return Case(
        kernel,
        "a node does not hear of itself",
        f"""an adjacency matrix of {pair[0].spec.shape[0]} nodes whose diagonal is 0 sums up what
        the neighbours of each node send, and nothing else reads what the node itself sends""",
        "adjacency = adjacency + torch.eye(n)  # before it is normalised",
    )


def _is_graph(tape: TapeIndex, use: TensorUse) -> bool:
    """Whether a tensor holds symmetric edges, few of them, and none from a node to itself."""
    value = use.value
    plain = use.tensor not in tape.differentiable and use.spec.role != "parameter"
    if not plain or value is None or not value.complete or len(value.shape) != _PAIR:
        return False
    edges = value.array != 0
    square = value.shape[0] == value.shape[1] >= _FEWEST
    return bool(
        square
        and not edges.diagonal().any()
        and (edges == edges.T).all()
        and 0 < edges.mean() < 1 / 2
        and (value.array >= 0).all()
    )


def _of_first(_tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Ends of edges that are one list over and over, and stay within the first nodes."""
    index = argument(kernel, "index") if operator_name(kernel) in _GATHERS else None
    target = argument(kernel, "self")
    known = index is not None and index.value is not None and index.value.complete
    if not known or index is None or index.value is None or target is None or not kernel.module:
        return None
    ends, nodes = index.value.array.ravel(), target.spec.shape[0]
    times = nodes // (int(ends.max(initial=0)) + 1)
    if len(index.spec.shape) != 1 or times < _PAIR or nodes % times or ends.size % times:
        return None
    blocks = ends.reshape(times, -1)
    if blocks.shape[1] < _PAIR or not np.all(blocks == blocks[0]):
        return None
    return Case(
        kernel,
        f"the edges of {times} graphs are all those of the first one",
        f"""messages are added to {plural(nodes, "node")}, and the edges end at the first
        {nodes // times} of them, {times} times over: no other graph of the batch gets a
        message""",
        "edges + graph * nodes  # each graph's edges point to its own nodes",
    )
