"""The computation graph in a small form: one box a node, with room for its numbers.

Boxes and arrows keep their ids in the SVG (``n3``, ``e3_0``), so that a page can light them
and write the numbers of any step into them. Letters are all of one width, so that the boxes
fit whichever engine draws them and whichever fixed-width font shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from autograd_lens.analysis.lesson import StepLesson
from autograd_lens.render.dot_source import DotEdge, DotGraph, write
from autograd_lens.render.graph import GraphOptions, graph_dot
from autograd_lens.render.graph_text import shorten
from autograd_lens.render.handout.wording import box_words, real, written
from autograd_lens.render.rooms import Sheet
from autograd_lens.trace.records import Node
from autograd_lens.trace.values import Value

__all__ = ["WIDEST", "cleaned", "lesson_dot", "live_dot"]

_ON_PAPER = 40
_WIDTH, WIDEST = 17, 26  # letters of a box


def lesson_dot(lesson: StepLesson, source: Callable[[str], str | None]) -> str:
    """The graph of a full step for paper, as DOT; folded by module where it is large.

    Args:
        lesson: A step at full level.
        source: Gives the text of a source file.
    """
    step = lesson.step
    graph = step.backwards[step.main_backward].graph if step.backwards else None
    if graph is None:
        return ""
    if len(graph.nodes) > _ON_PAPER:
        return graph_dot(
            lesson.step, lesson.step.main_backward, GraphOptions(source=source, fold="always")
        )
    texts = dict(_boxes(lesson))
    nodes = {
        f"n{node.index}": {
            "id": f"n{node.index}",
            "label": "\n".join(line.ljust(_WIDTH).rstrip() or " " for line in texts[node.index]),
            "class": "leaf" if node.variable else "op",
        }
        for node in graph.nodes
    }
    edges = tuple(
        DotEdge(
            f"n{edge.to_node}",
            f"n{edge.from_node}",
            {"id": f"e{edge.from_node}_{edge.input_position}"},
        )
        for edge in graph.edges
    )
    return write(DotGraph(nodes, edges, _look(across=True)))


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
