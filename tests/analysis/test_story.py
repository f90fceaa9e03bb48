"""What a node did: what arrived, what it gave, by which formula, and whether that fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import NodeStory, Stories, formula
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Edge, Step
from tests.support.linear_step import ADD, DIV, MEAN, MM, POW, linear_step, value


def story(node: int, step: Step | None = None) -> NodeStory:
    step = step or linear_step()
    return Stories(TapeIndex(step), Names(step.kernels, lambda _: None), 0).of(node)


@pytest.mark.parametrize(
    ("node", "wordings"),
    [(MEAN, ["G / 100"]), (DIV, ["G / 2"]), (ADD, ["G", "G"]), (MM, ["xᵀ @ G"])],
)
def test_a_node_is_explained_as_a_textbook_does(node: int, wordings: list[str]) -> None:
    assert [each.wording for each in story(node).outgoing] == wordings


def test_the_power_rule_is_written_with_its_exponent() -> None:
    (outgoing,) = story(POW).outgoing
    assert outgoing.wording == f"G · 2 · {outgoing.name}"


@pytest.mark.parametrize("node", [MEAN, DIV, POW, ADD, MM])
def test_the_textbook_gives_the_recorded_number(node: int) -> None:
    for outgoing in story(node).outgoing:
        assert outgoing.difference is not None
        assert outgoing.difference < 1e-5


def test_a_number_that_does_not_fit_shows() -> None:
    step = linear_step()
    backward = step.backwards[0]
    runs = [
        replace(run, grad_inputs=(None, value(np.full((1, 1), 9.0, np.float32))))
        if run.node == MM
        else run
        for run in backward.node_runs
    ]
    wrong = replace(step, backwards=(replace(backward, node_runs=tuple(runs)),))
    (outgoing,) = story(MM, wrong).outgoing
    assert outgoing.difference is not None
    assert outgoing.difference > 0.1


def test_a_bias_was_repeated_along_the_batch() -> None:
    whole, bias = story(ADD).outgoing
    assert (whole.broadcast, bias.broadcast) == ((), (100,))


def test_where_gradients_meet_each_term_is_known() -> None:
    step = linear_step()
    backward = step.backwards[0]
    assert backward.graph is not None
    second = Edge(from_node=POW, input_position=0, to_node=MM, output_nr=0)
    graph = replace(backward.graph, edges=(*backward.graph.edges, second))
    met = replace(step, backwards=(replace(backward, graph=graph),))
    (incoming,) = story(MM, met).incoming
    assert [term.node.index for term in incoming.terms] == [ADD, POW]
    assert all(term.value is not None for term in incoming.terms)


def test_where_no_textbook_helps_the_kernels_that_ran_are_told() -> None:
    step = linear_step()
    assert story(MM, step).told
    made = TapeIndex(step).kernel_of(story(MM, step).node)
    kernels = tuple(
        replace(kernel, op="aten.unheard_of.default") if kernel is made else kernel
        for kernel in step.kernels
    )
    told = story(MM, replace(step, kernels=kernels))
    assert not told.told
    assert told.run is not None
    assert [kernel.index for kernel in told.ran] == list(told.run.kernels)
    (outgoing,) = told.outgoing
    assert outgoing.check.holds is None
    assert outgoing.check.found == "not checked: the textbook here has no formula of unheard_of"


@pytest.mark.parametrize(
    ("pytorchs", "ours"),
    [
        ("grad.expand_symint(self.sym_sizes()) / self.sym_numel()",
         "grad.expand(self.sizes()) / self.numel()"),
        ("handle_r_to_c(self.scalar_type(), grad)", "grad"),
        ("handle_r_to_c(other.scalar_type(), maybe_multiply(-grad, alpha.conj()))",
         "maybe_multiply(-grad, alpha.conj())"),
        ("pow_backward(grad, self, exponent)", "pow_backward(grad, self, exponent)"),
    ],
)  # fmt: skip
def test_formulas_lose_what_says_nothing_about_the_arithmetic(pytorchs: str, ours: str) -> None:
    assert formula(pytorchs) == ours
