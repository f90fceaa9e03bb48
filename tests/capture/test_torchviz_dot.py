"""Our DOT is torchviz's own, with stable names, and taking it leaves no trace."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import warnings
import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from autograd_lens.capture.torchviz_dot import graph_dot


def node_index(*roots: torch.Tensor) -> dict[Any, int]:
    """Number the nodes as a recording does: roots first, in breadth."""
    index: dict[Any, int] = {}
    pending = [root.grad_fn for root in roots]
    for node in pending:
        if node is not None and node not in index:
            index[node] = len(index)
            pending.extend(following for following, _ in node.next_functions)
    return index


def draw(*roots: torch.Tensor) -> str:
    return graph_dot(roots, node_index(*roots))


def statements(dot: str) -> tuple[Counter[str], int]:
    """Labels of all nodes, and the number of edges, of a DOT that torchviz wrote."""
    edges = re.findall(r"^\t\w+ -> \w+", dot, re.MULTILINE)
    nodes = re.findall(r"^\t(\w+) \[(label=(?:\"[^\"]*\"|\w+))", dot, re.MULTILINE)
    return Counter(label for _, label in dict(nodes).items()), len(edges)


def torchviz_draws(*roots: torch.Tensor) -> tuple[Counter[str], int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports distutils
        import torchviz

        return statements(torchviz.make_dot(tuple(roots)).source)


class Scale(torch.autograd.Function):
    """A custom function that saves its input and its result."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        y = 2 * x
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        ctx.saved_tensors  # noqa: B018  unpacked as most custom functions do
        return 2 * grads[0]


def leaf(*shape: int) -> torch.Tensor:
    return torch.ones(shape, requires_grad=True)


def linear_regression() -> list[torch.Tensor]:
    x = torch.rand(100, 1)
    return [((x.mm(leaf(1, 1)) + leaf(1) - x) ** 2 / 2).mean()]


def shared_weight() -> list[torch.Tensor]:
    w = leaf(2, 2)
    return [(torch.ones(3, 2).mm(w).mm(w) * w.sum()).sum()]


def twice_the_same_input() -> list[torch.Tensor]:
    w = leaf(3)
    return [(w * w).sum()]


def unbind_and_split() -> list[torch.Tensor]:
    first, _, third = leaf(3, 4).unbind()
    left, right = leaf(4).split(2)
    return [(first * third).sum() + (left * right).sum()]


def root_that_is_a_view() -> list[torch.Tensor]:
    return [(leaf(4) * 2).view(2, 2)[0]]


def views_changed_in_place() -> list[torch.Tensor]:
    base = leaf(4) * 2
    part = base[:2]
    part.mul_(3)
    return [part, base.sum()]


def custom_function() -> list[torch.Tensor]:
    return [Scale.apply(leaf(2)).sum() + Scale.apply(leaf(2) * 3).sum()]  # type: ignore[no-untyped-call]


def two_roots() -> list[torch.Tensor]:
    hidden = leaf(2).exp()
    return [hidden.sum(), hidden.prod()]


def leaf_as_root() -> list[torch.Tensor]:
    return [leaf(2)]


def chain(length: int) -> torch.Tensor:
    x = leaf(1)
    y = x
    for _ in range(length):
        y = y * x
    return y


@pytest.mark.parametrize(
    "program",
    [
        linear_regression,
        shared_weight,
        twice_the_same_input,
        unbind_and_split,
        root_that_is_a_view,
        views_changed_in_place,
        custom_function,
        two_roots,
        leaf_as_root,
    ],
)
def test_nodes_and_edges_are_torchvizs(program: Any) -> None:
    roots = program()
    assert statements(draw(*roots)) == torchviz_draws(*roots)


def test_a_graph_of_several_bands_has_torchvizs_nodes_and_edges() -> None:
    y = chain(200)  # deeper than a band, and torchviz can still draw it
    assert statements(draw(y)) == torchviz_draws(y)


def test_the_dot_of_the_linear_regression() -> None:
    w, b, x = leaf(1, 1), leaf(1), torch.ones(100, 1)
    loss = (x.mm(w) + b).mean()
    dot = graph_dot([loss], node_index(loss), {3: "b1", 4: "w1"})
    assert dot == (
        "digraph {\n"
        '\tgraph [size="12,12"]\n'
        "\tnode [align=left fontname=monospace fontsize=10 height=0.2 ranksep=0.1 shape=box "
        "style=filled]\n"
        '\tr0 [label="\n ()" fillcolor=darkolivegreen1]\n'
        "\tn0 [label=MeanBackward0]\n"
        "\tn1 -> n0\n"
        "\tn1 [label=AddBackward0]\n"
        "\tn2 -> n1\n"
        "\tn2 [label=MmBackward0]\n"
        "\tn4 -> n2\n"
        '\tp4 [label="w1\n (1, 1)" fillcolor=lightblue]\n'
        "\tp4 -> n4\n"
        "\tn4 [label=AccumulateGrad]\n"
        "\tn3 -> n1\n"
        '\tp3 [label="b1\n (1)" fillcolor=lightblue]\n'
        "\tp3 -> n3\n"
        "\tn3 [label=AccumulateGrad]\n"
        "\tn0 -> r0\n"
        "}\n"
    )


def test_a_leaf_that_a_custom_function_saved_is_a_leaf_first() -> None:
    dot = draw(Scale.apply(leaf(2)).sum())  # type: ignore[no-untyped-call]
    assert "p2 -> n1 [dir=none]" in dot
    assert "p2 -> n2" in dot
    assert "s1_1 -> n1 [dir=none]" in dot


def test_names_with_quotes_and_backslashes_stay_inside_their_label() -> None:
    w = leaf(1)
    loss = w.sum()
    dot = graph_dot([loss], node_index(loss), {1: 'a"b\\N<script>'})
    assert '[label="a\\"b\\\\N<script>\n (1)" fillcolor=lightblue]' in dot


def test_the_same_program_gives_the_same_dot() -> None:
    assert draw(*custom_function()) == draw(*custom_function())


def test_five_thousand_chained_nodes_leave_the_recursion_limit_alone() -> None:
    limit = sys.getrecursionlimit()
    y = chain(5_000)
    labels, edges = statements(draw(y))
    assert labels == {
        "label=MulBackward0": 5_000,
        "label=AccumulateGrad": 1,
        'label="\n (1)"': 2,  # the leaf and the result
    }
    assert edges == 10_000 + 2  # two per product, the leaf's, the result's
    assert sys.getrecursionlimit() == limit


def test_hooks_on_saved_tensors_are_not_run() -> None:
    unpacked: list[int] = []

    def unpack(packed: torch.Tensor) -> torch.Tensor:
        unpacked.append(1)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
        loss = Scale.apply(leaf(2)).sum()  # type: ignore[no-untyped-call]
    draw(loss)
    assert unpacked == []
    loss.backward()
    assert unpacked == [1, 1]


def test_a_graph_whose_buffers_are_freed_is_drawn_without_its_saved_tensors() -> None:
    loss = Scale.apply(leaf(2)).sum()  # type: ignore[no-untyped-call]
    index = node_index(loss)
    loss.backward()
    assert "orange" not in graph_dot([loss], index)


class NoKernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, *_: Any, **__: Any) -> Any:
        pytest.fail(f"{func} ran while the graph was drawn")


def test_nothing_is_computed_and_nothing_is_kept_alive() -> None:
    weight = leaf(2)
    hidden = weight.exp()
    loss = Scale.apply(hidden).sum()  # type: ignore[no-untyped-call]
    state = torch.get_rng_state()
    with NoKernels():
        draw(loss)
    assert torch.equal(torch.get_rng_state(), state)
    references = [weakref.ref(tensor) for tensor in (weight, hidden, loss)]
    del weight, hidden, loss
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_no_warning_and_no_module_reaches_the_program() -> None:
    program = (
        "import sys, torch\n"
        "from autograd_lens.capture.torchviz_dot import graph_dot\n"
        "y = torch.ones(1, requires_grad=True) * 2\n"
        "assert 'MulBackward0' in graph_dot([y], {y.grad_fn: 0})\n"
        "assert 'torchviz' not in sys.modules\n"
        "assert 'distutils' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
