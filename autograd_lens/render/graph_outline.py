"""What the graph picture has to draw: torchviz's nodes and edges, joined with the record.

Keys are those of the recorded DOT: ``n<i>`` autograd node i, ``p<i>`` the tensor of
``AccumulateGrad`` i, ``r<k>`` root k, ``s<i>_<k>`` a tensor saved by a custom function,
``v<k>`` what a root is a view of. Arrows point the way the forward went.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from autograd_lens.errors import RenderError
from autograd_lens.render.dot_source import DotEdge, DotGraph, parse
from autograd_lens.trace.records import Backward, Edge, Graph, Kernel, Node, NodeRun, Step

__all__ = ["Arrow", "Outline", "outline"]


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow of the picture.

    Attributes:
        tail: Key of what the forward computed first.
        head: Key of what used it.
        edge: The edge of the autograd graph; None for arrows at leaves and roots.
        style: torchviz's attributes.
    """

    tail: str
    head: str
    edge: Edge | None
    style: Mapping[str, str]


@dataclass(frozen=True)
class Outline:
    """One backward of one step, ready to be drawn.

    Attributes:
        step: The step.
        backward: The run of the engine.
        graph: Its graph.
        base: torchviz's attributes of everything drawn, by key.
        arrows: All arrows.
    """

    step: Step
    backward: Backward
    graph: Graph
    base: Mapping[str, Mapping[str, str]]
    arrows: tuple[Arrow, ...]

    @cached_property
    def runs(self) -> Mapping[int, NodeRun]:
        """How each node was run, by its index; nodes that were not run are missing."""
        return {run.node: run for run in self.backward.node_runs}

    def kernel(self, node: Node) -> Kernel | None:
        """The forward kernel that made a node."""
        index = node.forward_kernel
        kernels = self.step.kernels
        return kernels[index] if index is not None and index < len(kernels) else None

    def node(self, key: str) -> Node | None:
        """The autograd node drawn as ``n<i>``."""
        return self.graph.nodes[int(key[1:])] if key[0] == "n" else None


def outline(step: Step, backward: int) -> Outline:
    """Join the graph of one backward with its record.

    Args:
        step: A step at full level.
        backward: Which of its backwards; negative numbers count from the last.

    Raises:
        RenderError: There is no such backward, or its graph was not recorded.
    """
    run, graph = _recorded(step, backward)
    drawn = parse(graph.dot)
    if drawn is None or not _covers(drawn, graph):
        drawn = _from_record(graph, len(run.roots))
    return Outline(step, run, graph, drawn.nodes, tuple(_arrows(drawn.edges, graph.edges)))


def _recorded(step: Step, backward: int) -> tuple[Backward, Graph]:
    count = len(step.backwards)
    if not count:
        msg = f"Step {step.index} ran no backward(), so there is no graph to draw."
        raise RenderError(msg, hint="Choose a step that calls backward().")
    if not -count <= backward < count:
        msg = f"Step {step.index} ran {count} backward(s); number {backward} was asked for."
        raise RenderError(msg, hint=f"Choose one from 0 to {count - 1}.")
    run = step.backwards[backward]
    if run.graph is None or not run.graph.nodes:
        msg = f"The graph of step {step.index} was not recorded: the step is at {step.level} level."
        hint = f"Choose a step at full level, or record again with `--full {step.index}`."
        raise RenderError(msg, hint=hint)
    return run, run.graph


def _covers(drawn: DotGraph, graph: Graph) -> bool:
    """Whether torchviz drew the graph that was recorded, and every key has a meaning here."""
    numbered = {key for key in drawn.nodes if key[0] == "n"}
    return numbered == {f"n{node.index}" for node in graph.nodes}


def _from_record(graph: Graph, roots: int) -> DotGraph:
    """Draw what torchviz would have drawn, where its DOT is missing."""
    nodes: dict[str, Mapping[str, str]] = {
        f"r{root}": {"fillcolor": "darkolivegreen1"} for root in range(roots)
    }
    nodes |= {f"n{node.index}": {} for node in graph.nodes}
    edges = [DotEdge(f"n{edge.to_node}", f"n{edge.from_node}") for edge in graph.edges]
    for node in graph.nodes:
        if node.name == "AccumulateGrad":
            nodes[f"p{node.index}"] = {"fillcolor": "lightblue"}
            edges.append(DotEdge(f"p{node.index}", f"n{node.index}"))
    edges += [DotEdge(f"n{root}", f"r{root}") for root in range(min(roots, len(graph.nodes)))]
    return DotGraph(nodes, tuple(edges))


def _arrows(drawn: Iterable[DotEdge], recorded: Iterable[Edge]) -> Iterable[Arrow]:
    waiting: dict[tuple[str, str], deque[Edge]] = {}
    for edge in recorded:
        ends = (f"n{edge.to_node}", f"n{edge.from_node}")
        waiting.setdefault(ends, deque()).append(edge)
    for arrow in drawn:
        edges = waiting.get((arrow.tail, arrow.head))
        yield Arrow(arrow.tail, arrow.head, edges.popleft() if edges else None, arrow.attributes)
