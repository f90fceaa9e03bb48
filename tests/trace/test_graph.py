"""The index of a tape, held against steps of real programs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

import autograd_lens as lens
from autograd_lens.trace.graph import TapeIndex, is_custom, tensors
from autograd_lens.trace.records import Edge, Graph, Step
from tests.support import programs

PROGRAMS = [
    programs.line,
    programs.convolution,
    programs.attention,
    programs.recurrent,
    programs.two_players,
    programs.accumulation,
    programs.custom_function,
]


@cache
def recorded(program: Callable[[], Iterator[None]]) -> Step:
    """The second step of a program, in full."""
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        with lens.record(Path(folder) / "run.lens", full="all") as run:
            for _ in zip(run.steps(3), program(), strict=False):
                pass
        with lens.open(Path(folder) / "run.lens") as trace:
            return trace.steps[1]


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.__name__)
def index(request: pytest.FixtureRequest) -> TapeIndex:
    return TapeIndex(recorded(request.param))


def edges(index: TapeIndex) -> Iterator[tuple[Graph, Edge]]:
    for backward in index.step.backwards:
        assert backward.graph is not None
        yield from ((backward.graph, edge) for edge in backward.graph.edges)


def test_an_edge_goes_from_a_nodes_input_to_the_node_that_made_it(index: TapeIndex) -> None:
    known = 0
    for graph, edge in edges(index):
        user, maker = graph.nodes[edge.from_node], graph.nodes[edge.to_node]
        inputs = index.inputs_of(user)
        use = inputs[edge.input_position].use if edge.input_position < len(inputs) else None
        if use is None:
            continue
        known += 1
        if maker.variable is not None:
            assert use.spec.name == maker.variable
        elif (made := index.kernel_of(maker)) is not None:
            assert use.tensor == made.outputs[edge.output_nr].tensor
    assert known


def test_a_kernel_and_its_node_know_each_other(index: TapeIndex) -> None:
    for backward in index.step.backwards:
        for node in backward.graph.nodes if backward.graph else ():
            kernel = index.kernel_of(node)
            if kernel is not None:
                found = index.node_of(kernel)
                assert found is not None
                assert (found.name, found.index) == (node.name, node.index)


def test_a_maker_wrote_what_its_reader_reads(index: TapeIndex) -> None:
    for kernel in index.kernels:
        for use in tensors(kernel.inputs):
            made = index.maker(use.tensor, kernel.index)
            if made is not None:
                assert made.index < kernel.index
                written = next(each for each in made.outputs if each.tensor == use.tensor)
                assert written.spec == use.spec
        for use in kernel.outputs:
            assert all(
                use.tensor in {each.tensor for each in tensors(reader.inputs)}
                for phase in ("forward", "backward", "update")
                for reader in index.readers(use.tensor, phase)
            )


def test_edges_are_found_from_both_of_their_ends(index: TapeIndex) -> None:
    for number, backward in enumerate(index.step.backwards):
        assert backward.graph is not None
        nodes = range(len(backward.graph.nodes))
        leaving = [edge for node in nodes for edge in index.leaving(node, number).values()]
        assert sorted(leaving, key=_ends) == sorted(backward.graph.edges, key=_ends)
        for edge in backward.graph.edges:
            assert edge in index.arriving(edge.to_node, edge.output_nr, number)


def _ends(edge: Edge) -> tuple[int, int]:
    return edge.from_node, edge.input_position


def test_what_was_written_is_each_update_and_each_clearing_in_place(index: TapeIndex) -> None:
    wrote = {(kernel.index, name) for kernel, name, _ in index.written}
    for update in index.step.updates:
        assert any((number, update.parameter) in wrote for number in update.kernels)
    for zero in index.step.zero_grads:
        if zero.after is not None and zero.source is not None:
            assert any(name == f"{zero.parameter}.grad" for _, name in wrote)


def test_a_functions_node_stands_for_its_result() -> None:
    index = TapeIndex(recorded(programs.custom_function))
    nodes = [
        node
        for backward in index.step.backwards
        for node in (backward.graph.nodes if backward.graph else ())
        if is_custom(node)
    ]
    assert nodes
    for node in nodes:
        inside = index.function_kernels(node)
        assert inside
        assert inside[-1] is index.kernel_of(node)
        assert [kernel.index for kernel in inside] == list(
            itertools.islice(itertools.count(inside[0].index), len(inside))
        )
