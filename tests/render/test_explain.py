"""How derivations read: as a tree, as LaTeX, as data."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from autograd_lens.analysis.explain import explain_gradient, explain_loss
from autograd_lens.render.explain import (
    Folding,
    derivation_data,
    derivation_latex,
    evaluation_data,
    render_derivation,
    render_evaluation,
)
from autograd_lens.render.step_view import StepView, TraceOptions
from tests.support.linear_step import LinearTrace, linear_step


@pytest.fixture
def view() -> StepView:
    return StepView(linear_step(), LinearTrace().source, TraceOptions(width=100))


def printed(renderable: object) -> str:
    console = Console(width=100, file=None, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_gradient_reads_from_the_loss_down(view: StepView) -> None:
    text = printed(render_derivation(view, explain_gradient(view.step, "b1", view.names)))
    rows = [row.strip("│├└─ ") for row in text.splitlines()]
    assert rows[0] == "b1.grad of step 0  from the loss down"
    assert "∂loss/∂b1 = G, summed over 100 rows = [-11.5113]" in rows
    assert "b1 was used 100 times, and every use adds up" in rows
    assert "b1.grad was None, is now [-11.5113]" in rows
    assert sum(row.startswith("✓") for row in rows) == 3


def test_a_depth_folds_modules_to_a_count(view: StepView) -> None:
    derivation = explain_gradient(view.step, "w1", view.names)
    text = printed(render_derivation(view, derivation, Folding(depth=1)))
    assert "2 nodes, folded; --module" in text
    assert "MmBackward0" not in text
    opened = Folding(depth=1, module=derivation.links[-2].kernel.module)  # type: ignore[union-attr]
    assert "MmBackward0" in printed(render_derivation(view, derivation, opened))


def test_the_loss_reads_from_the_inputs_up(view: StepView) -> None:
    text = printed(render_evaluation(view, explain_loss(view.step)))
    rows = [row.strip("│├└─ ") for row in text.splitlines()]
    assert rows[-1].startswith("loss = mean(t")
    assert "66.374" in rows[-1]


def test_latex_is_balanced_and_has_no_placeholder_left(view: StepView) -> None:
    latex = derivation_latex(explain_gradient(view.step, "w1", view.names))
    assert latex.startswith("\\begin{align*}")
    assert latex.count("{") == latex.count("}")
    assert r"\frac{G}{100}" in latex
    assert r"\mathrm{w1}}" in latex
    assert "-5.55848" in latex


def test_data_is_json_and_keeps_every_number(view: StepView) -> None:
    data = derivation_data(view, explain_gradient(view.step, "w1", view.names))
    again = json.loads(json.dumps(data))
    assert again["links"][0]["grad_inputs"][0]["textbook"] == "G / 100"
    assert again["write"] == {**data["write"], "mode": "set", "before": None}
    assert again["write"]["after"][0][0] == pytest.approx(-5.55848, rel=1e-5)
    assert [check["holds"] for check in again["checks"]] == [True] * 3
    assert evaluation_data(view, explain_loss(view.step))["operations"][-1]["op"].startswith(
        "aten.mean"
    )
