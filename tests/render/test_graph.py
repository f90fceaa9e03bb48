"""The decorated graph: everything torchviz drew, with what happened written on it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

from autograd_lens.errors import RenderError
from autograd_lens.render.graph import GraphOptions, graph_dot
from autograd_lens.trace.records import Backward, Edge, Node, SavedTensor, Step
from tests.support.linear_step import (
    ACCUMULATE_W1,
    ADD,
    MM,
    LinearTrace,
    light,
    linear_step,
    linear_steps,
    value,
)

TRACE = LinearTrace()
OPTIONS = GraphOptions(source=TRACE.source)


def statements(dot: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Keys of all nodes, and ends of all arrows, in DOT that we wrote."""
    arrows = re.findall(r"^  (\w+) -> (\w+) \[", dot, re.MULTILINE)
    keys = re.findall(r"^  (\w+) \[", dot, re.MULTILINE)
    return [key for key in keys if key not in {"graph", "node", "edge"}], arrows


def card(dot: str, key: str) -> str:
    """All text of one node's card, in reading order."""
    found = re.search(rf"^  {key} \[.*?label=<(.*?)>(?: tooltip=.*)?\]$", dot, re.MULTILINE)
    assert found, key
    words = unescape(re.sub(r"<[^>]*>", " ", found[1]))
    return " ".join(words.split())


def with_graph(step: Step, **changes: Any) -> Step:
    """The step, with some of its graph exchanged."""
    backward: Backward = step.backwards[0]
    return replace(step, backwards=(replace(backward, graph=replace(backward.graph, **changes)),))


# --- what is drawn -------------------------------------------------------------------------


def test_the_linear_regression_has_eight_nodes_two_leaves_and_a_loss() -> None:
    keys, arrows = statements(graph_dot(linear_step()))
    assert sorted(keys) == ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "p6", "p7", "r0"]
    assert Counter(arrows) == Counter(
        [
            *[("p7", "n7"), ("n7", "n5"), ("n5", "n4"), ("p6", "n6"), ("n6", "n4")],
            *[("n4", "n3"), ("n3", "n2"), ("n2", "n1"), ("n1", "n0"), ("n0", "r0")],
        ]
    )


def test_a_node_shows_line_result_saved_tensors_formula_and_gradients() -> None:
    assert card(graph_dot(linear_step(), options=OPTIONS), f"n{MM}") == (
        "mm MmBackward0, backward 7 of 8 "
        "x.mm(self.w1) in (100, 1) -0.1245 to -0.105, mean -0.1151 "
        "= (100, 1) 0.007236 to 1.523, mean 0.7286 mat2 = mm_mat2_backward(grad, self, …) "
        "keeps self (100, 1) 0.004695 to 0.9884, mean 0.4728 out → mat2 (w1) [[-5.55848]]"
    )


def test_a_leaf_shows_its_value_and_grad() -> None:
    dot = graph_dot(linear_step())
    assert card(dot, f"p{ACCUMULATE_W1}") == (
        "w1 (1, 1) float32 value [[1.541]] .grad [[-5.55848]]"
    )


def test_accumulate_grad_shows_what_it_found_and_what_it_left() -> None:
    first, second = (graph_dot(step) for step in linear_steps(2))
    key = f"n{ACCUMULATE_W1}"
    assert card(first, key).endswith("w1.grad was None, set to [[-5.55848]]")
    assert card(second, key).endswith("w1.grad was [[0]], now [[-5.48701]] (accumulated)")


def test_the_root_shows_the_loss_and_the_gradient_it_starts_with() -> None:
    assert card(graph_dot(linear_step()), "r0") == (
        "loss backward() starts here = 66.3743 starts with 1"
    )


def test_an_arrow_shows_the_gradient_that_flows_back() -> None:
    dot = graph_dot(linear_step())
    assert f'n{ACCUMULATE_W1} -> n{MM} [label="  -5.55848 "]' in dot
    assert f'n{MM} -> n{ADD} [label="  (100, 1)  norm 1.152 "]' in dot


def test_a_tooltip_holds_pytorchs_whole_formula() -> None:
    dot = graph_dot(linear_step())
    assert "mat2 = mm_mat2_backward(grad, self, mat2.sym_sizes(), mat2.sym_strides()" in dot


def test_without_source_text_the_rest_is_drawn() -> None:
    assert "x.mm" not in graph_dot(linear_step())


def test_a_node_the_engine_did_not_run_says_so() -> None:
    step = linear_step()
    backward = replace(step.backwards[0], node_runs=step.backwards[0].node_runs[:2])
    dot = graph_dot(replace(step, backwards=(replace(backward, error="RuntimeError: no"),)))
    assert "not run" in card(dot, f"n{MM}")
    assert "This backward stopped: RuntimeError: no" in dot


def test_a_custom_function_has_its_own_name_and_its_saved_tensors_have_cards() -> None:
    step = linear_step()
    nodes = list(step.backwards[0].graph.nodes)
    held = SavedTensor("tensors", (None, value(np.float32([1, 2]))))
    nodes[MM] = replace(nodes[MM], name="MyProductBackward", saved=(held,))
    keys = "".join(f"\tn{index} [label=f]\n" for index in range(8))
    dot = f"digraph {{\n{keys}\ts{MM}_1 -> n{MM} [dir=none]\n}}\n"
    drawn = graph_dot(with_graph(step, nodes=tuple(nodes), dot=dot))
    assert card(drawn, f"n{MM}").startswith("MyProduct MyProductBackward")
    assert card(drawn, f"s{MM}_1") == "saved by the custom function [1, 2]"


def test_names_cannot_break_out_of_the_picture() -> None:
    name = '<script>"%\\N\n参数'
    step = linear_step()
    nodes = list(step.backwards[0].graph.nodes)
    nodes[ACCUMULATE_W1] = replace(nodes[ACCUMULATE_W1], variable=name)
    dot = graph_dot(with_graph(step, nodes=tuple(nodes)))
    assert "<script" not in dot
    assert "&lt;script&gt;&quot;%\\N\N{REPLACEMENT CHARACTER}参数" in dot


def test_chinese_names_ask_for_the_width_they_need() -> None:
    step = linear_step()
    nodes = list(step.backwards[0].graph.nodes)
    nodes[ACCUMULATE_W1] = replace(nodes[ACCUMULATE_W1], variable="参数" * 10)
    dot = graph_dot(with_graph(step, nodes=tuple(nodes)))
    width = re.search(rf'^  p{ACCUMULATE_W1} .*?WIDTH="(\d+)"', dot, re.MULTILINE)
    assert width
    assert int(width[1]) > 20 * 13  # twenty squares of 13 points


# --- what cannot be drawn ------------------------------------------------------------------


def test_a_light_step_says_how_to_get_its_graph() -> None:
    with pytest.raises(RenderError, match=r"step 0 was not recorded.*light level.*--full 0"):
        graph_dot(light(linear_step()))


def test_a_step_without_backward_has_no_graph() -> None:
    with pytest.raises(RenderError, match=r"Step 0 ran no backward\(\)"):
        graph_dot(replace(linear_step(), backwards=()))


def test_a_backward_that_was_not_run_is_refused() -> None:
    with pytest.raises(RenderError, match=r"ran 1 backward\(s\); number 3"):
        graph_dot(linear_step(), backward=3)


# --- many nodes ----------------------------------------------------------------------------


def chain(length: int) -> Step:
    """The linear regression's step, its graph exchanged for a chain of products."""
    nodes = tuple(Node(i, "MulBackward0", (), None, (), None) for i in range(length))
    edges = tuple(Edge(i, 0, i + 1, 0) for i in range(length - 1))
    return with_graph(linear_step(), nodes=nodes, edges=edges)


def test_many_nodes_are_drawn_on_one_line_each() -> None:
    dot = graph_dot(linear_step(), options=GraphOptions(cards=3, fold="never"))
    assert card(dot, f"n{MM}") == "mm MmBackward0 in (100, 1) norm 1.152"
    assert card(dot, f"p{ACCUMULATE_W1}") == "w1 (1, 1) float32 .grad -5.55848"


def test_very_many_nodes_are_folded_and_the_picture_says_so() -> None:
    dot = graph_dot(chain(3_000))
    keys, _ = statements(dot)
    assert keys == ["g0", "r0"]
    assert "×3,000" in dot
    assert "3,000 nodes, folded into 1 box by module and line of code" in dot


def test_folding_can_be_switched_off() -> None:
    keys, _ = statements(graph_dot(chain(200), options=GraphOptions(fold="never")))
    assert len(keys) == 200 + 1  # and the root


def test_folding_can_be_asked_for() -> None:
    dot = graph_dot(linear_step(), options=replace(OPTIONS, fold="always"))
    keys, _ = statements(dot)
    assert sorted(keys) == ["g0", "g1", "g2", "g3", "g4", "r0"]
    assert card(dot, "g4") == "mean MeanBackward0 = 66.3743 in 1"
    assert card(dot, "g0").startswith("model 2 nodes mm, add")
    assert "w1.grad -5.55848" in card(dot, "g0")


# --- against torch -------------------------------------------------------------------------


@pytest.mark.parametrize("with_dot", [True, False], ids=["torchviz", "record alone"])
@pytest.mark.parametrize("program", ["linear", "shared", "unbind", "views", "custom"])
def test_nodes_and_arrows_are_torchvizs(program: str, with_dot: bool) -> None:
    from tests.support.live_graph import live_step, programs

    loss = programs()[program]()
    step = live_step(loss)
    drawn = step.backwards[0].graph.dot
    if not with_dot:
        step = with_graph(step, dot="")
        drawn = "\n".join(line for line in drawn.splitlines() if not re.search(r"\bs\d+_", line))
    keys, arrows = statements(graph_dot(step))
    assert len(keys) == len({*re.findall(r"^\t([nprs]\w*) \[", drawn, re.MULTILINE)} - {"node"})
    assert len(arrows) == len(re.findall(r"^\t\w+ -> \w+", drawn, re.MULTILINE))


def test_an_empty_graph_is_as_good_as_none() -> None:
    with pytest.raises(RenderError, match="was not recorded"):
        graph_dot(with_graph(linear_step(), nodes=(), edges=()))


def test_a_graph_that_torchviz_drew_differently_is_drawn_from_the_record() -> None:
    step = with_graph(linear_step(), dot="digraph {\n\tn0 [label=MeanBackward0]\n}\n")
    assert graph_dot(step) == graph_dot(linear_step())
