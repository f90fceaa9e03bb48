"""Reading and writing DOT, the language of Graphviz.

Only the part that torchviz writes is read: one digraph, node and edge statements, attribute
lists, quoted strings. Whatever a program calls its things is safe to write: names go through
``quote`` (attributes) or ``markup`` (HTML-like labels).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Cluster", "DotEdge", "DotGraph", "Markup", "markup", "parse", "write"]

_ATTRIBUTE = r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([\w.]+))'
_BARE_ATTRIBUTE = r'\w+=(?:"(?:[^"\\]|\\.)*"|[\w.]+)'
_STATEMENT = re.compile(
    rf"^\t(\w+)(?: -> (\w+))?(?: \[({_BARE_ATTRIBUTE}(?: {_BARE_ATTRIBUTE})*)\])?$", re.MULTILINE
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """An HTML-like label: text that ``markup`` has made safe, inside tags of ours."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DotEdge:
    """One arrow.

    Attributes:
        tail: Key of the node it leaves.
        head: Key of the node it points to.
        attributes: Graphviz attributes.
    """

    tail: str
    head: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around nodes.

    Attributes:
        key: Its key, unique in the graph.
        attributes: Graphviz attributes.
        inside: Keys of the nodes in it, and further frames.
    """

    key: str
    attributes: Mapping[str, str]
    inside: tuple[str | Cluster, ...]


@dataclass(frozen=True, slots=True)
class DotGraph:
    """A directed graph.

    Attributes:
        nodes: Attributes of each node by key, in the order of appearance.
        edges: All arrows; equal ones may repeat.
        defaults: Attributes by target: ``"graph"``, ``"node"``, ``"edge"``.
        clusters: Frames around some of the nodes.
    """

    nodes: Mapping[str, Mapping[str, str]]
    edges: tuple[DotEdge, ...]
    defaults: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: tuple[Cluster, ...] = ()


def markup(text: str) -> Markup:
    """Escape any text for an HTML-like label."""
    return Markup(html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)))


def quote(text: str) -> str:
    """Escape any text for an attribute; an HTML-like label keeps its tags."""
    if isinstance(text, Markup):
        return f"<{text}>"
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    lines = (_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line) for line in escaped.split("\n"))
    return '"' + r"\n".join(lines) + '"'


def write(graph: DotGraph) -> str:
    """The DOT source of a graph, one statement a line."""
    lines = [f"  {target} {_list(given)}" for target, given in graph.defaults.items()]
    lines += [f"  {key} {_list(given)}" for key, given in graph.nodes.items()]
    lines += [f"  {edge.tail} -> {edge.head} {_list(edge.attributes)}" for edge in graph.edges]
    lines += [line for cluster in graph.clusters for line in _cluster(cluster, "  ")]
    return "\n".join(["digraph {", *lines, "}", ""])


def _cluster(cluster: Cluster, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph cluster_{cluster.key} {{"
    yield f"{indent}  graph {_list(cluster.attributes)}"
    for each in cluster.inside:
        if isinstance(each, Cluster):
            yield from _cluster(each, f"{indent}  ")
        else:
            yield f"{indent}  {each}"
    yield f"{indent}}}"


def _list(attributes: Mapping[str, str]) -> str:
    return "[" + " ".join(f"{name}={quote(text)}" for name, text in attributes.items()) + "]"


def parse(source: str) -> DotGraph | None:
    """Read a digraph as torchviz writes it; None where it is something else."""
    if not source.startswith("digraph {"):
        return None
    nodes: dict[str, dict[str, str]] = {}
    edges: list[DotEdge] = []
    defaults: dict[str, dict[str, str]] = {}
    for tail, head, listed in _STATEMENT.findall(source):
        attributes = _attributes(listed)
        if head:
            nodes.setdefault(tail, {})
            nodes.setdefault(head, {})
            edges.append(DotEdge(tail, head, attributes))
        else:
            place = defaults if tail in {"graph", "node", "edge"} else nodes
            place.setdefault(tail, {}).update(attributes)
    return DotGraph(nodes, tuple(edges), defaults)


def _attributes(listed: str) -> dict[str, str]:
    return {
        name: re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) or bare
        for name, quoted, bare in re.findall(_ATTRIBUTE, listed, re.DOTALL)
    }
