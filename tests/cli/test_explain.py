"""``explain`` and ``step`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Lens


def test_a_gradient_is_derived_from_the_loss_down(lens: Lens, recorded: Path) -> None:
    told = lens("explain", recorded, "w1.grad", "--step", "1")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("w1.grad of step 1  from the loss down")
    assert told.stdout.count("✓") == 3
    assert all(len(row) <= 80 for row in told.stdout.splitlines())


def test_json_and_latex_say_the_same(lens: Lens, recorded: Path) -> None:
    data = json.loads(lens("explain", recorded, "b1.grad", "--json").stdout)
    latex = lens("explain", recorded, "b1.grad", "--latex").stdout
    assert [check["holds"] for check in data["checks"]] == [True] * 3
    assert data["links"][-2]["grad_inputs"][0]["summed_over"] == [6]
    assert r"\sum_{\text{rows}} \delta_{z_{2}}" in latex


def test_the_loss_is_derived_from_the_inputs_up(lens: Lens, recorded: Path) -> None:
    told = lens("explain", recorded, "loss", "--step", "2")
    assert told.stdout.splitlines()[-1].startswith("└── loss = mean(")


def test_what_cannot_be_explained_is_said_in_one_line(lens: Lens, recorded: Path) -> None:
    told = lens("explain", recorded, "w1")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "Write loss, or a gradient such as w1.grad." in told.stderr


FUNCTION = """\
import torch


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        negative = x.clamp(max=0)
        return 2 * x + 0 * negative

    @staticmethod
    def backward(ctx, grad_output):
        return torch.full_like(grad_output, 5.0)


w = torch.nn.Parameter(torch.tensor([3.0, -1.0]))
for step in range(2):
    loss = (Double.apply(w) ** 2).sum()
    w.grad = None
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
"""


@pytest.fixture
def function(lens: Lens, tmp_path: Path) -> Path:
    """A recording of a custom Function whose backward is wrong."""
    (tmp_path / "train.py").write_text(FUNCTION, encoding="utf-8")
    assert lens("run", "-o", tmp_path / "train.lens", tmp_path / "train.py").returncode == 0
    return tmp_path / "train.lens"


def test_a_functions_own_backward_is_said_to_be_unchecked(lens: Lens, function: Path) -> None:
    told = lens("explain", function, "w.grad", "--width", "120").stdout
    last = " ".join(told.rpartition("└── ")[2].split())
    assert last.startswith("- what DoubleBackward gave: not checked: its backward is the program's")
    assert "2 of 3 formulas" in told
    assert "of (2 * x) + (0 * negative)" in told, "the node stands for the result"
    assert "∂loss/∂w = [5, 5]" in told


def test_what_is_said_to_check_it_does(lens: Lens, function: Path) -> None:
    assert "--finite-differences" in lens("explain", function, "w.grad").stdout
    told = lens("explain", function, "w.grad", "--finite-differences").stdout.splitlines()
    assert told[-1].startswith("└── ✗ central differences")


def test_the_loss_goes_through_the_kernels_of_a_function(lens: Lens, function: Path) -> None:
    told = lens("explain", function, "loss").stdout
    assert "on data" not in told
    names = [row.split("── ")[1].split(" = ")[0] for row in told.splitlines()[1:]]
    assert names == [
        *("negative", "(2 * x)", "(0 * negative)", "(2 * x + 0 * negative)"),
        *("(Double.apply(w) ** 2)", "loss"),
    ]


def test_step_without_a_terminal_points_to_trace(lens: Lens, recorded: Path) -> None:
    told = lens("step", recorded)
    assert told.returncode == 1
    assert "needs a terminal" in told.stderr
    assert "autograd-lens trace" in told.stderr
