"""What the graph picture has to draw: torchviz's nodes and edges, joined with the record.

Keys are those of the recorded DOT: ``n<i>`` autograd node i, ``p<i>`` the tensor of
``AccumulateGrad`` i, ``r<k>`` root k, ``s<i>_<k>`` a tensor saved by a custom function,
``v<k>`` what a root is a view of. Arrows point the way the forward went.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Stories
from autograd_lens.errors import RenderError
from autograd_lens.render.dot_source import DotEdge, DotGraph, parse
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.trace.graph import TapeIndex, tensors
from autograd_lens.trace.records import Backward, Edge, Graph, Kernel, Node, Step

__all__ = ["Arrow", "Outline", "outline"]

_NOT_RUN = "no backward ran"  # where the node's name would stand


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


@dataclass(frozen=True, slots=True)
class Outline:
    """One backward of one step, ready to be drawn.

    Attributes:
        stories: The stories of its nodes.
        source: Gives the text of a source file.
        base: torchviz's attributes of everything drawn, by key.
        arrows: All arrows.
    """

    stories: Stories
    source: SourceOf
    base: Mapping[str, Mapping[str, str]]
    arrows: tuple[Arrow, ...]

    @property
    def step(self) -> Step:
        """The step."""
        return self.stories.index.step

    @property
    def backward(self) -> Backward:
        """The run of the engine."""
        return self.stories.backward

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self.stories.graph

    def kernel(self, node: Node) -> Kernel | None:
        """The forward kernel that made a node."""
        return self.stories.index.kernel_of(node)

    def node(self, key: str) -> Node | None:
        """The autograd node drawn as ``n<i>``."""
        return self.graph.nodes[int(key[1:])] if key[0] == "n" else None


def outline(step: Step, backward: int, source: SourceOf = lambda _: None) -> Outline:
    """Join the graph of one backward with its record.

    Args:
        step: A step at full level.
        backward: Which of its backwards; negative numbers count from the last.
        source: Gives the text of a source file, or None.

    Raises:
        RenderError: There is no such backward, or its graph was not recorded.
    """
    if not step.backwards and any(kernel.requires_grad for kernel in step.kernels):
        step = replace(step, backwards=(_unfinished(step),))
    run, graph = _recorded(step, backward)
    drawn = parse(graph.dot)
    if drawn is None or not _covers(drawn, graph):
        drawn = _from_record(graph, len(run.roots))
    stories = Stories(TapeIndex(step), Names(step.kernels, source), backward)
    return Outline(stories, source, drawn.nodes, tuple(_arrows(drawn.edges, graph.edges)))


def _unfinished(step: Step) -> Backward:
    """The graph of a forward that ended before any backward, up to what it made last."""
    index = TapeIndex(step)
    made = [each for each in reversed(step.kernels) if each.requires_grad and each.outputs]
    number = {kernel.index: place for place, kernel in enumerate(made)}
    nodes = [Node(place, _NOT_RUN, (), kernel.index, (), None) for place, kernel in enumerate(made)]
    leaves: dict[str, int] = {}
    edges = []
    for place, kernel in enumerate(made):
        for position, use in enumerate(tensors(kernel.inputs)):
            maker = index.maker(use.tensor, kernel.index)
            if maker is not None and maker.index in number:
                edges.append(Edge(place, position, number[maker.index], 0))
            elif use.spec.role == "parameter":
                leaf = leaves.setdefault(use.spec.name, len(nodes) + len(leaves))
                edges.append(Edge(place, position, leaf, 0))
    nodes += [Node(leaf, "AccumulateGrad", (), None, (), name) for name, leaf in leaves.items()]
    graph = Graph(tuple(nodes), tuple(edges))
    return Backward(
        index=0,
        kind="backward",
        roots=(),
        retain_graph=False,
        create_graph=False,
        source=None,
        fingerprint="",
        grad_writes=(),
        graph=graph,
    )


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
