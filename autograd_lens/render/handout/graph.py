"""The computation graph in a small form: one box a node, with room for its numbers.

Boxes and arrows keep their ids in the SVG (``n3``, ``e3_0``), so that a page can light them
and write the numbers of any step into them. Letters are all of one width, so that the boxes
fit whichever engine draws them and whichever fixed-width font shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from itertools import pairwise

from autograd_lens.analysis.lesson import StepLesson
from autograd_lens.render.dot_source import DotEdge, DotGraph, write
from autograd_lens.render.graph import GraphOptions, graph_dot
from autograd_lens.render.graph_text import shorten
from autograd_lens.render.handout.wording import box_words, real, written
from autograd_lens.render.rooms import Sheet
from autograd_lens.trace.records import Graph, Node
from autograd_lens.trace.values import Value

__all__ = ["WIDEST", "cleaned", "folds", "lesson_graph", "live_dot", "sheet_graph"]

_ON_PAPER = 40
_SIZE = re.compile(r'<svg[^>]*? width="([\d.]+)[^"]*"[^>]*? height="([\d.]+)')
_GROUP = re.compile(r'<g id="[nge]\d.*?</g>', re.DOTALL)
_POINT = re.compile(r"(-?[\d.]+),(-?[\d.]+)")
_LEVEL = re.compile(r'(<text [^>]*?\by=")(-?[\d.]+)"')
_HEIGHT = re.compile(r'<g id="([ng]\d+)"(?:(?!</g>).)*?<text [^>]*?\by="(-?[\d.]+)"', re.DOTALL)
_WIDTH, WIDEST = 17, 26  # letters of a box
_PAGE = (510.0, 310.0)  # points of a page that a drawing may take, across and down
_NATURAL = 0.85  # letters that can be read: what shows them larger is no better
_MOST_ROWS = 4
_CLOSED = {"class": "room", "width": "0", "height": "0.36", "margin": "0.12,0.05"}


def folds(graph: Graph) -> bool:
    """Whether a graph is drawn for paper with boxes that stand for many nodes."""
    return len(graph.nodes) > _ON_PAPER


def lesson_graph(
    lesson: StepLesson,
    source: Callable[[str], str | None],
    draw: Callable[[str], str],
    room: tuple[float, float] = _PAGE,
) -> str:
    """The graph of a full step for paper, as SVG; folded by module where it is large.

    A long chain goes on in further rows, as many as show it largest.

    Args:
        lesson: A step at full level.
        source: Gives the text of a source file.
        draw: Draws DOT as SVG.
        room: Points across and down that it may take.

    Returns:
        ``""`` where the step has no graph.
    """
    step = lesson.step
    graph = step.backwards[step.main_backward].graph if step.backwards else None
    if graph is None:
        return ""
    if folds(graph):
        return draw(graph_dot(step, step.main_backward, GraphOptions(source=source, fold="always")))
    nodes, edges = dict(_lesson_nodes(lesson, graph)), list(_lesson_edges(graph))
    return _in_rows(nodes, edges, draw, room)


def sheet_graph(
    sheet: Sheet, titles: Sequence[str], draw: Callable[[str], str], room: tuple[float, float]
) -> str:
    """A sheet as SVG, its boxes ``g0`` and on with their titles alone, for a slide.

    Args:
        sheet: The sheet.
        titles: What stands in each of its closed boxes.
        draw: Draws DOT as SVG.
        room: Points across and down that it may take.
    """
    nodes = {
        f"g{place}": {"id": f"g{place}", "label": shorten(title, WIDEST), **_CLOSED}
        for place, title in enumerate(titles)
    }
    edges = [
        DotEdge(f"g{tail}", f"g{head}", {"id": f"e{tail}_{head}", **_way(tail, head, sheet)})
        for tail, head in sheet.arrows
    ]
    return _in_rows(nodes, edges, draw, room)


def _in_rows(
    nodes: Mapping[str, Mapping[str, str]],
    edges: Sequence[DotEdge],
    draw: Callable[[str], str],
    room: tuple[float, float],
) -> str:
    """A graph across the page, in as many rows as show it largest."""
    best, largest = "", 0.0
    for count in range(1, _MOST_ROWS + 1):
        rows = _rows(nodes, edges, count)
        svg = _upright(draw(_dot(nodes, edges, rows)), rows)
        scale = min(_NATURAL, _scale(svg, room)) if svg else 0.0
        if scale > 1.05 * largest:
            best, largest = svg, scale
    return best


def _scale(svg: str, room: tuple[float, float]) -> float:
    """How much a drawing must shrink, or may grow, to fill its room."""
    size = _SIZE.search(svg)
    return min(room[0] / float(size[1]), room[1] / float(size[2])) if size else 1.0


def _lesson_nodes(lesson: StepLesson, graph: Graph) -> Iterator[tuple[str, Mapping[str, str]]]:
    texts = dict(_boxes(lesson))
    for node in graph.nodes:
        lines = (line.ljust(_WIDTH).rstrip() or " " for line in texts[node.index])
        kind = "leaf" if node.variable else "op"
        key = f"n{node.index}"
        yield key, {"id": key, "label": "\n".join(lines), "class": kind}


def _lesson_edges(graph: Graph) -> Iterator[DotEdge]:
    for edge in graph.edges:
        name = f"e{edge.from_node}_{edge.input_position}"
        yield DotEdge(f"n{edge.to_node}", f"n{edge.from_node}", {"id": name})


def _dot(
    nodes: Mapping[str, Mapping[str, str]], edges: Sequence[DotEdge], rows: Mapping[str, int]
) -> str:
    """A graph across the page; an arrow from row to row moves no box."""
    free = {"constraint": "false"}
    drawn = tuple(
        edge
        if rows[edge.tail] == rows[edge.head]
        else replace(edge, attributes={**edge.attributes, **free})
        for edge in edges
    )
    return write(DotGraph(nodes, drawn, _look(across=True)))


def _rows(nodes: Iterable[str], edges: Sequence[DotEdge], count: int) -> dict[str, int]:
    """The row of each box among so many, as near to its user as it can be."""
    users: dict[str, list[str]] = {node: [] for node in nodes}
    forward = [edge for edge in edges if edge.attributes.get("style") != "dashed"]
    for edge in forward:
        users[edge.tail].append(edge.head)
    left = dict.fromkeys(users, 0)  # boxes behind it on the way to the loss
    for node in TopologicalSorter(users).static_order():
        left[node] = max((left[each] + 1 for each in users[node]), default=0)
    most = max(left.values()) + 1
    wide = -(-most // count)
    rows = {node: (most - 1 - behind) // wide for node, behind in left.items()}
    made = {edge.head for edge in forward}
    alone = [node for node, given in users.items() if node not in made and given]
    leaves = {node: min(rows[each] for each in users[node]) for node in alone}
    return rows | leaves


def _upright(svg: str, rows: Mapping[str, int]) -> str:
    """A drawing with its first row on top, or ``""`` where rows lie in one another.

    Going across, Graphviz begins at the bottom.
    """
    heights = {node: float(y) for node, y in _HEIGHT.findall(svg)}
    lines = [
        [y for node, y in heights.items() if rows.get(node) == row] for row in {*rows.values()}
    ]
    pairs = [*pairwise(line for line in lines if line)]
    if all(max(one) < min(other) for one, other in pairs):
        return svg
    if not all(min(one) > max(other) for one, other in pairs):
        return ""
    points = [float(y) for group in _GROUP.findall(svg) for _, y in _POINT.findall(group)]
    both = min(points) + max(points)
    return _GROUP.sub(lambda found: _mirrored(found[0], both), svg)


def _mirrored(group: str, both: float) -> str:
    """A box moved to where its mirror image is, or an arrow mirrored."""
    box = not group.startswith('<g id="e')
    points = [float(y) for _, y in _POINT.findall(group)]
    shift = both - min(points) - max(points)

    def moved(y: str) -> str:
        return f"{float(y) + shift if box else both - float(y):g}"

    group = _POINT.sub(lambda found: f"{found[1]},{moved(found[2])}", group)
    return _LEVEL.sub(lambda found: f'{found[1]}{moved(found[2])}"', group)


def live_dot(sheet: Sheet, titles: Sequence[str]) -> str:
    """A sheet as DOT, with two empty lines in each box that a page writes numbers into.

    Args:
        sheet: The sheet.
        titles: What stands in each of its closed boxes.
    """
    wide = max(_WIDTH, min(max(map(len, titles), default=0), WIDEST))
    nodes = {}
    for place, (box, title) in enumerate(zip(sheet.leaves, titles, strict=True)):
        lines = (shorten(title, wide), " ", " ")
        kind = "room" if box.names else "op"
        look = {"style": "filled"} if kind == "room" else {}
        label = "\n".join(line.ljust(wide) if line == " " else line for line in lines)
        nodes[f"b{place}"] = {"id": f"b{place}", "label": label, "class": kind, **look}
    edges = tuple(
        DotEdge(f"b{tail}", f"b{head}", {"id": f"e{tail}_{head}", **_way(tail, head, sheet)})
        for tail, head in sheet.arrows
    )
    defaults = _look(across=False)
    defaults["node"]["width"] = f"{wide * 6 / 72 + 0.16:.2f}"
    return write(DotGraph(nodes, edges, defaults))


def _way(tail: int, head: int, sheet: Sheet) -> dict[str, str]:
    """An arrow back into the next turn of a loop moves no box."""
    loops = any(len(copies) > 1 for copies in sheet.turns())
    return {"constraint": "false", "style": "dashed"} if loops and tail > head else {}


def _look(*, across: bool) -> dict[str, dict[str, str]]:
    return {
        "graph": {
            "rankdir": "LR" if across else "TB",
            "nodesep": "0.15",
            "ranksep": "0.28",
            "bgcolor": "transparent",
            "margin": "0",
            "pad": "0.06",
        },
        "node": {
            "shape": "box",
            "style": "rounded",
            "fontname": "Courier",
            "fontsize": "10",
            "width": f"{_WIDTH * 6 / 72 + 0.16:.2f}",
            "height": "0.55",
            "margin": "0.06,0.04",
        },
        "edge": {"arrowsize": "0.6"},
    }


def _boxes(lesson: StepLesson) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Three lines for each node: what it is, its value, the gradient of that value."""
    backward = lesson.step.backwards[lesson.step.main_backward]
    graph = backward.graph
    runs = {run.node: run for run in backward.node_runs}
    for node in graph.nodes if graph else ():
        run = runs.get(node.index)
        grad = next((each for each in run.grad_outputs if each is not None), None) if run else None
        title, value = _what(node, lesson)
        yield node.index, (title, _short("=", value), _short("∂", grad))


def _what(node: Node, lesson: StepLesson) -> tuple[str, Value | None]:
    made = node.forward_kernel
    kernels = lesson.step.kernels
    if made is not None and made < len(kernels):
        kernel = kernels[made]
        value = kernel.outputs[0].value if kernel.outputs else None
        return box_words(kernel, lesson.names, _WIDTH), value
    known = lesson.step.parameters.get(node.variable or "")
    return shorten(node.variable or node.name, _WIDTH), known.before if known else None


def _short(sign: str, value: Value | None) -> str:
    number = real(value)
    if value is None or number is None:
        return " "
    return f"{sign} {written(number)}{' …' if value.numel > 1 else ''}"


def cleaned(svg: str, prefix: str) -> str:
    """An SVG of an engine, ready to stand inside a page: no prologue, own ids.

    Args:
        svg: What the engine drew.
        prefix: Put before every id, so that two graphs can share a page.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', body)
    body = re.sub(r"<title>[^<]*</title>", "", body)  # the engine's names of things
    body = re.sub(r"<a [^>]*>|</a>", "", body)
    width = re.search(r'width="(\d+)[^"]*"', body)
    body = re.sub(
        r"^<svg [^>]*?viewBox",
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'class="graph" data-width="{width[1] if width else 0}" viewBox',
        body,
        count=1,
    )
    return re.sub(r"\n\s*", "", body)
