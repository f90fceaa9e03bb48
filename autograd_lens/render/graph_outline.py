"""What the graph picture has to draw: torchviz's nodes and edges, joined with the record; folded.

Keys are those of the recorded DOT: ``n<i>`` autograd node i, ``p<i>`` the tensor of
``AccumulateGrad`` i, ``r<k>`` root k, ``s<i>_<k>`` a tensor saved by a custom function,
``v<k>`` what a root is a view of. Arrows point the way the forward went.

Of a large graph, nodes of one module, or of one line of code, become one group.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Stories
from autograd_lens.errors import RenderError
from autograd_lens.render.dot_source import DotEdge, DotGraph, parse
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Backward, Edge, Graph, Kernel, Node, Source, Step

__all__ = ["Arrow", "Fold", "Group", "Outline", "fold", "outline"]

_Key = tuple[Hashable, ...]
_RUNS = 12  # groups where neither modules nor lines tell the nodes apart


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
    run, graph = _recorded(step, backward)
    drawn = parse(graph.dot)
    if drawn is None or not _covers(drawn, graph):
        drawn = _from_record(graph, len(run.roots))
    stories = Stories(TapeIndex(step), Names(step.kernels, source), backward)
    return Outline(stories, source, drawn.nodes, tuple(_arrows(drawn.edges, graph.edges)))


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


# --- folded --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that are drawn as one.

    Attributes:
        module: Path of their module, ``""`` where they are grouped by line.
        source: Their line of code; None where they are grouped by module.
        part: Number of the run of neighbours where names do not help, else -1.
        nodes: Indexes of the nodes, in the order of the graph.
    """

    module: str
    source: Source | None
    part: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """A folded graph.

    Attributes:
        groups: All groups, roots first.
        group_of: Position of each node's group.
        arrows: How many edges run between two groups, as (tail, head): count.
        by_name: Whether the groups are modules and lines; else they are runs of neighbours.
    """

    groups: tuple[Group, ...]
    group_of: tuple[int, ...]
    arrows: Mapping[tuple[int, int], int]
    by_name: bool


def fold(of: Outline, most: int) -> Fold:
    """Fold a graph into at most ``most`` groups, as many as module paths and lines allow.

    Modules are kept apart as deep as possible: ``layers.0.attention`` before ``layers.0``
    before ``layers``. Code outside of modules is grouped by line. A module that the forward
    comes back to is a new group, so that all arrows run down; where that makes too many
    groups (a loop), it is one group. Where neither modules nor lines tell the nodes apart,
    runs of neighbours in the graph are grouped.
    """
    places = _places(of)
    depth = max((len(_path(kernel)) for kernel in places if kernel), default=0)
    names = [*(_by_module(level) for level in range(depth, 0, -1)), _by_line]
    for visits in (True, False):
        for name in names:
            keys = [name(kernel) for kernel in places]
            if visits:
                keys = _visits(keys, places)
            if 1 < len(set(keys)) <= most:
                return _folded(of, keys)
    size = -(-len(places) // min(most, _RUNS))
    return _folded(of, [("part", index // size) for index in range(len(places))])


def _places(of: Outline) -> list[Kernel | None]:
    """The forward kernel that places each node; one without is placed where it is first used.

    Nodes stand behind those they were reached from, so one pass is enough.
    """
    made = [of.kernel(node) for node in of.graph.nodes]
    places = list(made)
    for edge in sorted(of.graph.edges, key=lambda edge: edge.from_node):
        user, known = places[edge.from_node], places[edge.to_node]
        if made[edge.to_node] is None and user is not None:
            places[edge.to_node] = user if known is None or user.index < known.index else known
    return places


def _visits(keys: Sequence[_Key], places: Sequence[Kernel | None]) -> list[_Key]:
    """Tell apart the visits of the forward to one module or line."""
    order = sorted(
        range(len(keys)), key=lambda n: -1 if (kernel := places[n]) is None else kernel.index
    )
    visits = list(keys)
    visit = 0
    for before, node in zip([None, *order], order, strict=False):
        visit += before is not None and keys[before] != keys[node]
        visits[node] = (*keys[node], visit)
    return visits


def _path(kernel: Kernel) -> list[str]:
    return kernel.module.split(".") if kernel.module else []


def _by_module(depth: int) -> Callable[[Kernel | None], _Key]:
    def key(kernel: Kernel | None) -> _Key:
        if kernel is not None and kernel.module:
            return ("module", ".".join(_path(kernel)[:depth]))
        return _by_line(kernel)

    return key


def _by_line(kernel: Kernel | None) -> _Key:
    at = None if kernel is None else kernel.source
    return ("line", "", 0) if at is None else ("line", at.file, at.line)


def _folded(of: Outline, keys: Sequence[_Key]) -> Fold:
    members: dict[_Key, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    number = {key: position for position, key in enumerate(members)}
    group_of = tuple(number[key] for key in keys)
    pairs = ((group_of[edge.to_node], group_of[edge.from_node]) for edge in of.graph.edges)
    arrows = Counter(pair for pair in pairs if pair[0] != pair[1])
    groups = tuple(_group(of, key, nodes) for key, nodes in members.items())
    return Fold(groups, group_of, arrows, by_name=keys[0][0] != "part")


def _group(of: Outline, key: _Key, indexes: Sequence[int]) -> Group:
    nodes: list[Node] = [of.graph.nodes[index] for index in indexes]
    made = next((kernel for node in nodes if (kernel := of.kernel(node))), None)
    return Group(
        module=str(key[1]) if key[0] == "module" else "",
        source=made.source if made is not None and key[0] == "line" else None,
        part=int(str(key[1])) if key[0] == "part" else -1,
        nodes=tuple(indexes),
    )
