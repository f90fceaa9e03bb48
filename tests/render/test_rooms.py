"""Folding a large graph by module, by line, or by place, and what comes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lens.errors import RenderError
from autograd_lens.render.graph import GraphOptions, graph_dot
from autograd_lens.render.graph_outline import outline
from autograd_lens.render.rooms import Box, Rooms, Sheet
from autograd_lens.trace.records import Edge, Graph, Kernel, Node, Source, TensorSpec, TensorUse
from tests.support.linear_step import linear_step

Place = str | int


def chain(*places: Place, ops: str = "") -> Rooms:
    """A chain whose forward ran through modules (names) and lines (numbers)."""
    kernels = tuple(
        kernel(index, place, ops[index : index + 1]) for index, place in enumerate(places)
    )
    last = len(places) - 1  # the root is what the forward made last
    nodes = tuple(Node(i, "MulBackward0", (), last - i, (), None) for i in range(len(places)))
    edges = tuple(Edge(i, 0, i + 1, 0) for i in range(last))
    return rooms_of(Graph(nodes, edges), kernels)


def kernel(index: int, place: Place, op: str = "", name: str = "") -> Kernel:
    module = place if isinstance(place, str) else ""
    line = place if isinstance(place, int) else 1
    at = Source("train.py", line, line, 0, 1, "f")
    made = TensorUse(index, TensorSpec(name, (2,), "float32", "cpu", "intermediate"), None)
    return Kernel(index, f"aten.{op or 'mul'}.Tensor", (), (made,), "forward", None, 0, at, module)


def rooms_of(graph: Graph, kernels: tuple[Kernel, ...]) -> Rooms:
    step = linear_step()
    backward = replace(step.backwards[0], graph=graph)
    return Rooms(outline(replace(step, backwards=(backward,), kernels=kernels), -1))


def told(boxes: tuple[Box, ...]) -> list[str]:
    """Boxes in words: what they are, how often, and what is inside of an open one."""
    return [
        f"{box.name or (box.source.line if box.source else box.kind)}"
        + (f" x{len(box.copies)}" if len(box.copies) > 1 else "")
        + (f" {told(box.inside)}" if box.inside else "")
        for box in boxes
    ]


def sheet(*places: Place, room: str = "", depth: int = 1) -> list[str]:
    return told(chain(*places).sheet(room, depth).boxes)


def test_a_sheet_shows_the_modules_just_below_a_room() -> None:
    places = ("net.a.one", "net.a.two", "net.b.one", "net.b.other", "head")
    assert sheet(*places) == ["net", "head"]
    assert sheet(*places, room="net") == ["net.a", "net.b"]
    assert sheet(*places, depth=2) == ["net ['net.a', 'net.b']", "head"]


def test_a_room_that_only_leads_to_another_is_passed() -> None:
    assert sheet("model.body.a", "model.body.b", 7) == ["model.body", "7"]


def test_blocks_of_a_stack_are_drawn_once_and_counted() -> None:
    stack = [f"layers.{block}.{part}" for block in range(12) for part in ("norm", "mix")]
    assert sheet("embed", *stack, "head") == ["embed", "layers.0 x12", "head"]
    rooms = chain("embed", *stack, "head")
    assert rooms.sheet().boxes[1].names[-1] == "layers.11"
    opened = rooms.sheet("", 3)
    assert told(opened.boxes)[1] == "layers.0 x12 ['layers.0.norm', 'layers.0.mix']"
    assert opened.arrows[2, 1] == 11  # each block goes on into the next
    assert sheet("embed", *stack, "head", room="layers.3") == ["layers.3.norm", "layers.3.mix"]


def test_the_turns_of_a_loop_are_drawn_once() -> None:
    assert sheet(*["embed", "cell.mix", "cell.gate", "out"] * 20, 7) == [
        "loop x20 ['embed', 'cell', 'out']",
        "7",
    ]
    drawn = chain(*["embed", "cell.mix", "cell.gate", "out"] * 3, 7).sheet()
    turns = drawn.turns()
    assert turns[1] == ((11, 10), (7, 6), (3, 2))  # the last node of a chain is made first
    assert sorted(node for copies in turns for copy in copies for node in copy) == list(range(13))
    assert sheet(*[5, 6, 7] * 4) == ["loop x4 ['5', '6', '7']"]


def test_blocks_that_differ_are_not_folded() -> None:
    rooms = chain("layers.0.a", "layers.0.b", "layers.1.a", "layers.1.b", ops="abac")
    assert told(rooms.sheet().boxes) == ["layers"]
    assert told(rooms.sheet("layers").boxes) == ["layers.0", "layers.1"]


def test_many_nodes_outside_of_modules_are_grouped_by_line() -> None:
    lines = [line for line in range(10, 20) for _ in range(line)]
    operations = "abcdefghijklmnopqrstuvwxyz" * 8
    drawn = chain("net", *lines, ops=operations).sheet()
    assert told(drawn.boxes) == ["net", *map(str, range(10, 20))]


def test_where_names_do_not_help_neighbours_are_grouped() -> None:
    drawn = chain(*[3] * 97, ops="abcdefghijklmnopqrstuvwxyz" * 4).sheet()
    assert {box.kind for box in drawn.boxes} == {"part"}
    assert len(drawn.boxes) <= 12


def test_weights_belong_to_what_uses_them_and_models_are_told_apart() -> None:
    kernels = (kernel(0, "0", "t"), kernel(1, "0"), kernel(2, "0", "t"), kernel(3, "0"))
    names = ["MulBackward0", "TBackward0", "MulBackward0", "TBackward0"]
    nodes = [Node(i, name, (), 3 - i, (), None) for i, name in enumerate(names)]
    nodes[1], nodes[2] = replace(nodes[1], forward_kernel=2), replace(nodes[2], forward_kernel=1)
    nodes += [
        Node(4 + i, "AccumulateGrad", (), None, (), f"{name}.0.weight")
        for i, name in enumerate("gc")
    ]
    edges = (
        Edge(0, 0, 1, 0),
        Edge(0, 1, 2, 0),
        Edge(2, 0, 3, 0),
        Edge(1, 0, 5, 0),
        Edge(3, 0, 4, 0),
    )
    rooms = rooms_of(Graph(tuple(nodes), edges), kernels)
    boxes = rooms.sheet().boxes
    assert [(box.name, rooms.parameters(box.nodes)) for box in boxes] == [
        ("g.0", ["g.0.weight"]),
        ("c.0", ["c.0.weight"]),
    ]


def test_a_page_opens_the_large_modules_that_it_has_room_for() -> None:
    blocks = [f"layers.{block}.{part}" for block in range(6) for part in "abcdef"]
    drawn = chain("embed", *blocks, "head").fitting()
    assert [len(box.inside) for box in drawn.boxes] == [0, 6, 0]
    assert drawn.longest == 8


def test_a_long_chain_is_broken_into_columns() -> None:
    columns = chain(*[f"m{index}" for index in range(16)], ops="abcdefghijklmnop").sheet().columns()
    assert columns == sorted(columns)
    assert 1 < len(set(columns)) <= 4


def test_a_module_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(RenderError, match="no module 'body'") as raised:
        chain("net.a", "net.b").sheet("body")
    assert "net.a, net.b" in str(raised.value.hint)


@pytest.mark.parametrize("length", [2, 3_000])
def test_every_node_is_in_one_box(length: int) -> None:
    drawn: Sheet = chain(*[f"net.{index // 100}.a{index % 3}" for index in range(length)]).sheet()
    assert sorted(drawn.box_of) == list(range(length))


def test_leaves_and_views_stand_in_the_box_that_uses_them(tmp_path: Path) -> None:
    import torch

    import autograd_lens as lens

    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    with lens.record(tmp_path / "run.lens"):
        model(torch.ones(4, 2)).pow(2).mean().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        of = outline(trace.steps[0], -1, trace.source)
        dot = graph_dot(trace.steps[0], options=GraphOptions(trace.source, cards=10))
    sheet = Rooms(of).close()
    drawn = {node for box in sheet.boxes for node in box.nodes}
    assert len(of.graph.nodes) > 10
    assert drawn == {node.index for node in of.graph.nodes if node.variable is None}
    assert len(sheet.boxes) == 5
    assert dot.count("was None, set to") == 4, "each parameter once"
    assert "  ×" not in dot
