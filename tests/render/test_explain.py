"""How derivations read: as a tree, as LaTeX, as data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

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
    assert rows[-1].startswith("loss = mean(div)")
    assert "66.374" in rows[-1]


def test_latex_is_a_chain_of_products_with_the_numbers_of_the_run(view: StepView) -> None:
    latex = derivation_latex(view, explain_gradient(view.step, "w1", view.names))
    rows = [row.strip().removesuffix(r" \\") for row in latex.splitlines()[1:-1]]
    assert latex.startswith("\\begin{align*}")
    assert rows[:3] == [
        r"z_{1} &= x\,w_{1}", r"\mathrm{y\_pred} &= z_{1} + b_{1}",
        r"z_{2} &= \mathrm{y\_pred} - y",
    ]  # fmt: skip
    assert rows[5:7] == [
        r"L &= \mathrm{mean}\left(z_{4}\right)",
        r"\delta_{L} &= \frac{\partial L}{\partial L} = 1",
    ]
    assert rows[7].endswith(r"= \frac{\delta_{L}}{100} = \mathrm{all\ 0.01}")
    assert rows[-1] == (
        r"\delta_{w_{1}} &= \frac{\partial L}{\partial w_{1}} = x^\top\,\delta_{z_{1}} = -5.55848"
    )


def test_each_symbol_of_the_latex_is_defined_once_and_before_it_is_used(view: StepView) -> None:
    for name in ("w1", "b1"):
        latex = derivation_latex(view, explain_gradient(view.step, name, view.names))
        known: set[str] = set()
        for row in latex.splitlines()[1:-1]:
            left, right = row.split("&=")
            used = set(re.findall(r"\\delta_\{(?:[^{}]|\{[^{}]*\})*\}", right))
            assert used <= known
            assert left.strip() not in known
            known.add(left.strip())
        assert "G" not in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_the_latex_compiles_as_it_is(view: StepView, tmp_path: Path) -> None:
    body = derivation_latex(view, explain_gradient(view.step, "w1", view.names))
    source = tmp_path / "chain.tex"
    source.write_text(
        r"\documentclass{article}\usepackage{amsmath}\begin{document}"
        f"\n{body}\n" + r"\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", source.name]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-1500:]


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
