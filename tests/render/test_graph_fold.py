"""Folding a large graph by module, by line, or by place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autograd_lens.render.graph_outline import Fold, fold, outline
from autograd_lens.trace.records import Edge, Graph, Kernel, Node, Source
from tests.support.linear_step import linear_step


def chain(*places: str | int) -> Fold:
    """Fold a chain whose forward ran through modules (names) and lines (numbers)."""
    return folded(60, *places)


def folded(most: int, *places: str | int) -> Fold:
    kernels = tuple(kernel(index, place) for index, place in enumerate(places))
    last = len(places) - 1  # the root is what the forward made last
    nodes = tuple(Node(i, "MulBackward0", (), last - i, (), None) for i in range(len(places)))
    edges = tuple(Edge(i, 0, i + 1, 0) for i in range(last))
    return fold_graph(Graph(nodes, edges), kernels, most)


def kernel(index: int, place: str | int) -> Kernel:
    module = place if isinstance(place, str) else ""
    line = place if isinstance(place, int) else 1
    at = Source("train.py", line, line, 0, 1, "f")
    return Kernel(index, "aten.mul.Tensor", (), (), "forward", None, 0, at, module)


def fold_graph(graph: Graph, kernels: tuple[Kernel, ...], most: int) -> Fold:
    step = linear_step()
    backward = replace(step.backwards[0], graph=graph)
    return fold(outline(replace(step, backwards=(backward,), kernels=kernels), -1), most)


def names(of: Fold) -> list[str]:
    """Groups in the order of the forward: modules by name, lines by number."""
    found = [
        group.module or (f"line {group.source.line}" if group.source else f"part {group.part}")
        for group in of.groups
    ]
    return found[::-1]


def test_modules_are_kept_apart_as_deep_as_there_is_room() -> None:
    places = ["net.0.a", "net.0.b", "net.1.a", "net.1.b"]
    assert names(folded(4, *places)) == places
    assert names(folded(3, *places)) == ["net.0", "net.1"]


def test_code_outside_of_modules_is_grouped_by_line() -> None:
    assert names(chain("net", "net", 7, 7, 8)) == ["net", "line 7", "line 8"]


def test_a_module_that_the_forward_comes_back_to_is_a_new_group() -> None:
    of = chain("block", "block.norm", "block")
    assert names(of) == ["block", "block.norm", "block"]
    assert of.arrows == {(2, 1): 1, (1, 0): 1}  # all of them run down


def test_a_module_in_a_long_loop_is_one_group() -> None:
    of = folded(10, *["cell.mix", "cell.gate"] * 20)
    assert sorted(names(of)) == ["cell.gate", "cell.mix"]
    assert of.arrows == {(1, 0): 20, (0, 1): 19}


def test_lines_of_a_long_loop_are_one_group_each() -> None:
    assert sorted(names(folded(10, *[5, 6] * 20))) == ["line 5", "line 6"]


def test_where_names_do_not_help_neighbours_are_grouped() -> None:
    of = folded(10, *[3] * 40)
    assert names(of) == [f"part {part}" for part in range(9, -1, -1)]
    assert not of.by_name


def test_a_leaf_belongs_to_the_module_that_uses_it_first() -> None:
    kernels = (kernel(0, "embed"), kernel(1, "head"))
    nodes = (
        Node(0, "MmBackward0", (), 1, (), None),
        Node(1, "EmbeddingBackward0", (), 0, (), None),
        Node(2, "AccumulateGrad", (), None, (), "shared"),
    )
    edges = (Edge(0, 0, 1, 0), Edge(0, 1, 2, 0), Edge(1, 0, 2, 0))
    of = fold_graph(Graph(nodes, edges), kernels, 60)
    assert of.group_of == (0, 1, 1)
    assert of.arrows == {(1, 0): 2}


@pytest.mark.parametrize("length", [2, 3_000])
def test_every_node_is_in_one_group(length: int) -> None:
    of = chain(*[f"net.{index // 100}" for index in range(length)])
    assert sorted(n for group in of.groups for n in group.nodes) == list(range(length))
