"""``explain`` and ``step`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert r"\sum_{\text{rows}} G" in latex


def test_the_loss_is_derived_from_the_inputs_up(lens: Lens, recorded: Path) -> None:
    told = lens("explain", recorded, "loss", "--step", "2")
    assert told.stdout.splitlines()[-1].startswith("└── loss = mean(")


def test_what_cannot_be_explained_is_said_in_one_line(lens: Lens, recorded: Path) -> None:
    told = lens("explain", recorded, "w1")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "Write loss, or a gradient such as w1.grad." in told.stderr


def test_step_without_a_terminal_points_to_trace(lens: Lens, recorded: Path) -> None:
    told = lens("step", recorded)
    assert told.returncode == 1
    assert "needs a terminal" in told.stderr
    assert "autograd-lens trace" in told.stderr
