"""The picture of one backward: torchviz's graph, with what happened written on it.

NOTE 1 [Levels of detail]: up to ``cards`` nodes, each node is a card with its line of code,
values, formula and gradients. Up to twice as many, or with many parameters, these stand in the
cards of the nodes that use them, and long chains go on in a second column, so that the picture fits
a page. Above, nodes are folded into boxes by module and line of code (``rooms``), and the picture
says so; where folding is switched off, each is one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from autograd_lens.render import graph_cards as cards
from autograd_lens.render import graph_text as text
from autograd_lens.render.dot_source import Cluster, DotEdge, DotGraph, Markup, markup, write
from autograd_lens.render.graph_outline import Arrow, Outline, outline
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.render.graph_words import spoken_dot
from autograd_lens.render.rooms import Box, Rooms, Sheet, framed
from autograd_lens.trace.records import Node, Step

__all__ = ["GraphOptions", "graph_dot"]

_LEAVES = 4  # that have cards of their own
_FONT = "Arial"  # every engine has its measures; its twins are Liberation Sans and Arimo


def _no_source(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """How a graph is drawn.

    Attributes:
        source: Gives the text of a source file, for example ``trace.source``; None where it
            is unknown.
        fold: Whether nodes are folded into boxes: ``"auto"`` above ``cards`` nodes.
        cards: Most nodes that are drawn as cards, each leaf with its own.
        module: The module whose inside is drawn; ``""`` for all.
        depth: How many levels of modules are drawn; 0 for as many as a page has room for.
        stopped: What ended the program in this step; ``""`` for nothing.
        language: ``"en"`` or ``"zh"``; a picture of points needs a font of the system's for it.
        marked: Class names of nodes, by their index, which an SVG's elements carry; a box has
            the first that one of its nodes has.
    """

    source: SourceOf = _no_source
    fold: Literal["auto", "always", "never"] = "auto"
    cards: int = 15
    module: str = ""
    depth: int = 0
    stopped: str = ""
    language: str = "en"
    marked: Mapping[int, str] = field(default_factory=dict)


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
    return spoken_dot(_dot(outline(step, backward, options.source), options), options.language)


def _dot(of: Outline, options: GraphOptions) -> str:
    count = len(of.graph.nodes)
    asked = bool(options.module or options.depth)
    many = count > 2 * options.cards
    leaves = sum(node.variable is not None for node in of.graph.nodes)
    if options.fold == "never" or (not asked and options.fold == "auto" and not many):
        if not many and (count > options.cards or leaves > _LEAVES):
            return _draw_sheet(of, options, Rooms(of).close(), close=True)
        return _draw_nodes(of, options, brief=many)
    rooms = Rooms(of)
    depth = options.depth
    sheet = rooms.sheet(options.module, depth) if depth else rooms.fitting(options.module)
    return _draw_sheet(of, options, sheet)


def _draw_nodes(of: Outline, options: GraphOptions, *, brief: bool) -> str:
    nodes = {
        key: {"id": key, **_look(of, key, base, brief=brief), **_marked(options, key)}
        for key, base in of.base.items()
    }
    edges = [DotEdge(a.tail, a.head, _arrow(of, a, brief=brief)) for a in of.arrows]
    if options.stopped and not of.backward.roots:
        nodes["stopped"] = {"label": cards.stopped(options.stopped)}
        used = {arrow.tail for arrow in of.arrows}
        edges += [
            DotEdge(key, "stopped", {"style": "dashed"}) for key in of.base if key not in used
        ]
    return write(DotGraph(nodes, tuple(edges), _defaults(of, "", options)))


def _marked(options: GraphOptions, *keys: str) -> dict[str, str]:
    """The class of the first node that has one."""
    indexes = (int(key[1:]) for key in keys if key[0] == "n" and key[1:].isdecimal())
    found = next((options.marked[index] for index in indexes if index in options.marked), "")
    return {"class": found} if found else {}


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
    grad = of.stories.given(arrow.edge) if arrow.edge else None
    if brief or grad is None or arrow.edge is None:
        return {}
    return {"label": f"  {text.brief(grad)}{_hooked(of, arrow.edge.to_node)} "}


def _hooked(of: Outline, node: int) -> str:
    """What a hook made of the gradient on its way to a node."""
    for incoming in of.stories.of(node).incoming:
        if incoming.hooked and len(incoming.terms) == 1:
            return f"\n  a hook made it {text.brief(incoming.value)}"
        if incoming.hooked:
            return "\n  a hook changed their sum"
    return ""


# --- folded --------------------------------------------------------------------------------


def _draw_sheet(of: Outline, options: GraphOptions, sheet: Sheet, *, close: bool = False) -> str:
    """A sheet; close, each box is a node's card with the parameters that it uses."""
    rooms = Rooms(of)
    key = {id(leaf): f"g{place}" for place, leaf in enumerate(sheet.leaves)}
    columns = sheet.columns()
    within = {id(leaf): box.name for box in framed(sheet.boxes) for leaf in box.inside if box.name}
    nodes: dict[str, Mapping[str, str]] = {
        f"g{place}": {
            "id": f"g{place}",
            "label": cards.close(of, rooms, leaf)
            if close
            else cards.box(of, rooms, leaf, within.get(id(leaf), "")),
            **_marked(options, *(f"n{node}" for nodes in leaf.copies for node in nodes)),
        }
        for place, leaf in enumerate(sheet.leaves)
    }
    edges = [
        DotEdge(f"g{tail}", f"g{head}", _bundle(tail, head, count, columns))
        for (tail, head), count in sheet.arrows.items()
    ]
    for arrow in of.arrows:
        if arrow.head[0] != "r" or (node := of.node(arrow.tail)) is None:
            continue
        if (place := sheet.box_of.get(node.index)) is not None:
            label = cards.root(of, int(arrow.head[1:]), node)
            nodes[arrow.head] = {"id": arrow.head, "label": label}
            edges.append(DotEdge(f"g{place}", arrow.head))
    clusters = [_frame(of, each, key) for each in sheet.boxes if each.inside]
    note = "" if close else _fold_note(of, sheet, options)
    return write(DotGraph(nodes, tuple(edges), _defaults(of, note, options), tuple(clusters)))


def _bundle(tail: int, head: int, count: int, columns: Sequence[int]) -> dict[str, str]:
    """The arrow between two boxes.

    One into the next column, or back into the next turn of a loop, does not move them.
    """
    look = {"label": f" ×{count:,} "} if count > 1 else {}
    if tail > head:
        look["style"] = "dashed"
    if tail > head or columns[tail] != columns[head]:
        look["constraint"] = "false"
    return look


def _frame(of: Outline, item: Box, key: Mapping[int, str]) -> Cluster:
    leaves = [key[id(leaf)] for leaf in item.leaves()]
    turns = f"again and again, {len(item.copies):,} times" if item.kind == "loop" else ""
    title = turns or cards.box_title(of, item)
    inside = tuple(_frame(of, each, key) if each.inside else key[id(each)] for each in item.inside)
    look = {
        "label": Markup(f'<FONT POINT-SIZE="12"><B>{markup(title)}</B></FONT>'),
        "labeljust": "l",
        "style": "rounded",
        "color": cards.QUIET,
        "margin": "10",
    }
    return Cluster(leaves[0], look, inside)


def _fold_note(of: Outline, sheet: Sheet, options: GraphOptions) -> str:
    count = len(of.graph.nodes)
    if {box.kind for box in sheet.leaves} == {"part"}:
        how = "their place in the graph"
    else:
        how = "module and line of code"
    boxes = "1 box" if len(sheet.leaves) == 1 else f"{len(sheet.leaves)} boxes"
    where = f" of module {options.module}" if options.module else ""
    shown = f"{count:,} nodes{where and ' in all'}, folded into {boxes}{where}"
    return f"{shown} by {how}"


# --- around the graph ----------------------------------------------------------------------


def _defaults(of: Outline, note: str, options: GraphOptions) -> dict[str, Mapping[str, str]]:
    return {
        "graph": {
            "fontname": _FONT,
            "label": _caption(of, note, options),
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


def _caption(of: Outline, note: str, options: GraphOptions) -> Markup:
    """The title, and what the colours mean."""
    lines = [f'<FONT POINT-SIZE="16"><B>{markup(_title(of))}</B></FONT>']
    lines += [
        f'<FONT POINT-SIZE="11" COLOR="{colour}">{markup(remark)}</FONT>'
        for remark, colour in _remarks(of, options)
    ]
    lines += [f'<FONT POINT-SIZE="11">{markup(note)}</FONT>'] if note else []
    rows = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in [*lines, cards.LEGEND])
    return Markup(f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}</TABLE>')


def _title(of: Outline) -> str:
    loss = "" if of.step.loss is None else f"  ·  loss {of.step.loss:.6g}"
    which = f"  ·  backward {of.backward.index + 1} of {len(of.step.backwards)}"
    return f"Step {of.step.index}{loss}{which if len(of.step.backwards) > 1 else ''}"


def _remarks(of: Outline, options: GraphOptions) -> Iterable[tuple[str, str]]:
    """What is to be known of the step, and the colour that it is said in."""
    if options.stopped and not of.backward.error:
        yield "The program stopped in this step; its gradients were not computed", cards.BACKWARD
    if of.backward.error:
        yield f"This backward stopped: {text.shorten(of.backward.error, 90)}", cards.BACKWARD
    if of.step.provenance == "proved":
        yield "Replayed, and equal bit for bit to what was recorded", cards.QUIET
    elif of.step.provenance == "differs":
        yield "Replayed, and it differs from what was recorded", cards.BACKWARD
    elif of.step.provenance != "recorded":
        yield "Replayed; whether it is what was recorded is not known", cards.BACKWARD
    for remark in of.step.omitted[:3]:
        yield from ((line, cards.QUIET) for line in textwrap.wrap(remark, 100))
    if (more := len(of.step.omitted) - 3) > 0:
        yield f"and {more:,} more remarks", cards.QUIET
