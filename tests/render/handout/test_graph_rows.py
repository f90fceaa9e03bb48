"""The small graph of a step: long chains in several rows, in the order of reading."""

from __future__ import annotations

import re

import pytest

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.render.engines import render_dot
from autograd_lens.render.handout.graph import lesson_graph
from tests.support.lesson_run import LessonRun

Box = tuple[float, float, float, float]


def parts(svg: str, kind: str) -> dict[str, list[tuple[float, float]]]:
    """The points of each box or arrow."""
    groups = re.findall(rf'<g id="({kind}[\d_]+)".*?</g>', svg, re.DOTALL)
    bodies = re.findall(rf'<g id="{kind}[\d_]+"(.*?)</g>', svg, re.DOTALL)
    return {
        name: [
            (float(x), float(y))
            for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", re.findall(r' d="([^"]*)"', body)[0])
        ]
        for name, body in zip(groups, bodies, strict=True)
    }


def box(points: list[tuple[float, float]]) -> Box:
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def near(point: tuple[float, float], one: Box) -> bool:
    x, y = point
    return one[0] - 8 <= x <= one[2] + 8 and one[1] - 8 <= y <= one[3] + 8


@pytest.mark.parametrize("room", [(510.0, 310.0), (270.0, 80.0), (100.0, 400.0)], ids=str)
def test_rows_are_read_from_top_to_bottom_and_arrows_end_at_boxes(
    run: LessonRun, content: Lesson, room: tuple[float, float]
) -> None:
    svg = lesson_graph(content.first, run.source, lambda dot: render_dot(dot, "svg").decode(), room)
    boxes = {name: box(points) for name, points in parts(svg, "n").items()}
    backward = content.first.step.backwards[0]
    assert backward.graph is not None
    assert len(boxes) == len(backward.graph.nodes)
    arrows = parts(svg, "e")
    for edge in backward.graph.edges:
        start, *_, end = arrows[f"e{edge.from_node}_{edge.input_position}"]
        maker, user = boxes[f"n{edge.to_node}"], boxes[f"n{edge.from_node}"]
        assert near(start, maker)
        assert near(end, user)
        assert user[0] > maker[0] or user[1] > maker[3], "to the right, or in a row below"
    for name, one in boxes.items():
        level = re.search(rf'<g id="{name}".*?<text [^>]*?\by="(-?[\d.]+)"', svg, re.DOTALL)
        assert level is not None
        assert one[1] < float(level[1]) < one[3], "letters move with their box"


def test_a_slide_has_larger_letters_than_one_row_would_give(
    run: LessonRun, content: Lesson
) -> None:
    draw = lambda dot: render_dot(dot, "svg").decode()  # noqa: E731  one line, used twice
    wide, slide = (
        lesson_graph(content.first, run.source, draw, room) for room in ((9e9, 50.0), (270.0, 80.0))
    )
    sizes = [float(re.findall(r' width="([\d.]+)', svg)[0]) for svg in (wide, slide)]
    assert sizes[1] < 0.8 * sizes[0]
