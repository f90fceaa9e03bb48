"""The picture of one backward: torchviz's graph, with what happened written on it.

NOTE 1 [Three levels of detail]: up to ``cards`` nodes, each node is a card with its line of
code, values, formula and gradients. Up to ``nodes``, each is one line. Above, nodes are
folded into groups by module and line of code, and the picture says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from autograd_lens.render import graph_cards as cards
from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import DotEdge, DotGraph, Markup, markup, write
from autograd_lens.render.graph_outline import Arrow, Outline, fold, outline
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.trace.records import Node, Step
from autograd_lens.trace.values import Value

__all__ = ["GraphOptions", "graph_dot"]

_FONT = "Arial"  # every engine has its measures; its twins are Liberation Sans and Arimo


def _no_source(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """How a graph is drawn.

    Attributes:
        source: Gives the text of a source file, for example ``trace.source``; None where it
            is unknown.
        fold: Whether nodes are folded into groups: ``"auto"`` above ``nodes`` nodes.
        cards: Most nodes that are drawn as cards.
        nodes: Most nodes that are drawn one by one; also the most groups of a folded graph.
    """

    source: SourceOf = _no_source
    fold: Literal["auto", "always", "never"] = "auto"
    cards: int = 60
    nodes: int = 150


def graph_dot(step: Step, backward: int = -1, options: GraphOptions | None = None) -> str:
    """Draw the graph of one backward, decorated with values and gradients.

    Args:
        step: A step at full level.
        backward: Which of its backwards; negative numbers count from the last.
        options: How to draw it.

    Returns:
        DOT source for any Graphviz engine.

    Raises:
        RenderError: There is no such backward, or its graph was not recorded.
    """
    options = options or GraphOptions()
    of = outline(step, backward, options.source)
    count = len(of.graph.nodes)
    if options.fold == "always" or (options.fold == "auto" and count > options.nodes):
        return _draw_folded(of, options)
    return _draw_nodes(of, brief=count > options.cards)


def _draw_nodes(of: Outline, *, brief: bool) -> str:
    nodes = {key: {"id": key, **_look(of, key, base, brief=brief)} for key, base in of.base.items()}
    edges = [DotEdge(a.tail, a.head, _arrow(of, a, brief=brief)) for a in of.arrows]
    return write(DotGraph(nodes, tuple(edges), _defaults(of, "")))


def _look(of: Outline, key: str, base: Mapping[str, str], *, brief: bool) -> dict[str, str]:
    """The attributes of one node: a card of ours, or torchviz's box where we know no more."""
    index = int(key[1:]) if key[1:].isdecimal() else -1
    if key[0] == "n":
        label = cards.brief(of, index) if brief else cards.node(of, index)
        return {"label": label, "tooltip": _tooltip(of, index)}
    if key[0] == "p" and index >= 0:
        return {"label": cards.leaf(of, of.graph.nodes[index], short=brief)}
    if key[0] == "r" and index >= 0:
        return {"label": cards.root(of, index, _root_node(of, key))}
    if key[0] == "x":
        return {"label": cards.not_run(base.get("label", key))}
    return {"label": cards.tensor(of, key)}


def _root_node(of: Outline, key: str) -> Node | None:
    tails = (of.node(arrow.tail) for arrow in of.arrows if arrow.head == key)
    return next((node for node in tails if node is not None), None)


def _tooltip(of: Outline, index: int) -> str:
    node, run = of.graph.nodes[index], of.stories.index.run_of(index, of.stories.number)
    count = len(of.backward.node_runs)
    order = f"runs as number {run.order + 1} of {count}" if run else "was not run"
    return "\n".join([f"{node.name} {order}", *(f"{name} = {e}" for name, e in node.formula)])


def _arrow(of: Outline, arrow: Arrow, *, brief: bool) -> dict[str, str]:
    """Both ways on one arrow: the forward in blue to its head, the gradient in red back."""
    if arrow.style.get("dir") == "none" or "style" in arrow.style:
        return {"dir": "forward", "color": cards.QUIET, **arrow.style}
    grad = _flowing(of, arrow)
    return {} if brief or grad is None else {"label": f"  {text.brief(grad)} "}


def _flowing(of: Outline, arrow: Arrow) -> Value | None:
    return of.stories.given(arrow.edge) if arrow.edge else None


# --- folded --------------------------------------------------------------------------------


def _draw_folded(of: Outline, options: GraphOptions) -> str:
    folded = fold(of, options.cards)
    nodes: dict[str, Mapping[str, str]] = {
        f"g{number}": {"id": f"g{number}", "label": cards.group(of, group)}
        for number, group in enumerate(folded.groups)
    }
    edges = [
        DotEdge(f"g{tail}", f"g{head}", {"label": f" ×{count:,} "} if count > 1 else {})
        for (tail, head), count in folded.arrows.items()
    ]
    for arrow in of.arrows:
        if arrow.head[0] == "r" and (node := of.node(arrow.tail)) is not None:
            nodes[arrow.head] = {
                "id": arrow.head,
                "label": cards.root(of, int(arrow.head[1:]), node),
            }
            edges.append(DotEdge(f"g{folded.group_of[node.index]}", arrow.head))
    note = (
        f"{len(of.graph.nodes):,} nodes, folded into {len(folded.groups)} groups "
        f"by {'module and line of code' if folded.by_name else 'their place in the graph'}"
    )
    return write(DotGraph(nodes, tuple(edges), _defaults(of, note)))


# --- around the graph ----------------------------------------------------------------------


def _defaults(of: Outline, note: str) -> dict[str, Mapping[str, str]]:
    return {
        "graph": {
            "fontname": _FONT,
            "label": _caption(of, note),
            "labelloc": "t",
            "labeljust": "l",
            "bgcolor": "white",
            "margin": "0",
            "pad": "0.15",
            "nodesep": "0.35",
            "ranksep": "0.3",
        },
        "node": {"shape": "plain", "fontname": _FONT, "fontsize": "10"},
        "edge": {
            "fontname": _FONT,
            "fontsize": "9",
            "fontcolor": cards.BACKWARD,
            "color": f"{cards.FORWARD}:{cards.BACKWARD}",
            "dir": "both",
            "arrowsize": "0.6",
        },
    }


def _caption(of: Outline, note: str) -> Markup:
    """The title, and what the colours mean."""
    lines = [f'<FONT POINT-SIZE="16"><B>{markup(_title(of))}</B></FONT>']
    lines += [
        f'<FONT POINT-SIZE="11" COLOR="{cards.BACKWARD}">{markup(remark)}</FONT>'
        for remark in _remarks(of)
    ]
    lines += [f'<FONT POINT-SIZE="11">{markup(note)}</FONT>'] if note else []
    rows = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in [*lines, cards.LEGEND])
    return Markup(f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}</TABLE>')


def _title(of: Outline) -> str:
    loss = "" if of.step.loss is None else f"  ·  loss {of.step.loss:.6g}"
    which = f"  ·  backward {of.backward.index + 1} of {len(of.step.backwards)}"
    return f"Step {of.step.index}{loss}{which if len(of.step.backwards) > 1 else ''}"


def _remarks(of: Outline) -> Iterable[str]:
    if of.backward.error:
        yield f"This backward stopped: {text.shorten(of.backward.error, 90)}"
    if of.step.provenance == "proved":
        yield "Replayed, and equal bit for bit to what was recorded"
    elif of.step.provenance != "recorded":
        yield f"Replayed, and it {of.step.provenance} from what was recorded"
    if of.step.omitted:
        more = len(of.step.omitted) - 1
        yield text.shorten(of.step.omitted[0], 90) + (f" (and {more:,} more)" if more else "")
