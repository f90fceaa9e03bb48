"""``autograd-lens find``: the first step in which something holds, and what led to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import autograd_lens as lens
from autograd_lens.cli import app


def find(path: Path, *words: str) -> Any:
    result = CliRunner().invoke(app, ["find", str(path), *words, "--json"])
    data = json.loads(result.output)
    assert result.exit_code == (1 if data["first"] is None else 0)
    return data


@pytest.fixture(scope="module")
def diverging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Linear regression with a learning rate that is too large."""
    path = tmp_path_factory.mktemp("find") / "diverging.lens"
    w = torch.ones(1, requires_grad=True)
    x = torch.linspace(-2, 2, 50)
    with lens.record(path):
        for _ in range(80):
            loss = ((w * x - 3 * x) ** 2).mean()
            loss.backward()
            assert w.grad is not None
            w.data -= 1.2 * w.grad.data
            w.grad = None
    return path


def test_a_run_that_blew_up_leads_back_to_where_its_gradients_began_to_grow(
    diverging: Path,
) -> None:
    found = find(diverging)
    losses = lens.open(diverging).losses
    first = next(step for step, loss in enumerate(losses) if loss == float("inf"))
    assert (found["condition"], found["first"]) == ("not isfinite(loss)", first)
    birth, *_, move, growth = found["chain"]
    assert "aten.mean.default in forward, made" in birth["text"]
    assert birth["code"] == "loss = ((w * x - 3 * x) ** 2).mean()"
    assert (move["step"], move["text"].startswith("The update moved w")) == (first - 1, True)
    assert growth["step"] == 0
    # For this loss one step multiplies w - 3, and so the gradient, by 1 - 1.2 * 2 * mean(x ** 2).
    factor = abs(1 - 1.2 * 2 * float((torch.linspace(-2, 2, 50) ** 2).mean()))
    assert f"by {factor:.3g} times a step" in growth["text"]


def test_a_finite_condition_needs_no_birth(diverging: Path) -> None:
    found = find(diverging, "loss > 1000")
    losses = lens.open(diverging).losses
    assert found["first"] == next(step for step, loss in enumerate(losses) if loss > 1000)
    assert all("made" not in link["text"] for link in found["chain"])


def test_one_bad_batch_is_where_the_gradients_jump(tmp_path: Path) -> None:
    path = tmp_path / "jump.lens"
    w = torch.ones(1, requires_grad=True)
    with lens.record(path):
        for t in range(12):
            scale = 1000.0 if t == 7 else 1.0
            (w * scale).pow(2).sum().backward()
            assert w.grad is not None
            w.data -= 1e-3 * w.grad.data
            w.grad = None
    found = find(path, "norm(w.grad) > 100")
    assert found["first"] == 7
    jump = found["chain"][-1]
    assert jump["step"] == 7
    assert "jumped" in jump["text"]


def test_gradients_that_were_infinite_before_did_not_jump_from_zero(tmp_path: Path) -> None:
    """As with a gradient scaler that begins too high."""
    path = tmp_path / "scaled.lens"
    w = torch.ones(1, requires_grad=True)
    with lens.record(path):
        for scale in (1e30, 1.0, 1.0):
            (w * scale * 1e30).pow(2).sum().backward()
            w.grad = None
    found = find(path, "isfinite(norm(w.grad))")
    assert all("jumped" not in link["text"] for link in found["chain"])


def test_a_nan_is_told_with_what_its_kernel_was_given(tmp_path: Path) -> None:
    path = tmp_path / "nan.lens"
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with lens.record(path, full="all"):
        for _ in range(4):
            (w.log() * torch.tensor([0.0, 1.0])).sum().backward()
            w.data[0] -= 0.5
            w.grad = None
    birth, operand, *_ = find(path)["chain"]
    assert birth["step"] == 2
    assert "aten.log.default" in birth["text"]
    assert "w (2,), from 0 to 2" in operand["text"]


def test_what_never_holds_says_so(diverging: Path) -> None:
    assert find(diverging, "step < 0")["holds_in"] == 0
    result = CliRunner().invoke(app, ["find", str(diverging), "step < 0"])
    assert result.output == "step < 0 holds in none of 80 steps.\n"


def test_a_mistake_in_the_condition_points_at_it(diverging: Path) -> None:
    result = CliRunner().invoke(app, ["find", str(diverging), "los > 1"])
    assert result.exit_code != 0
    assert "loss" in result.output


def test_the_terminal_shows_the_losses_around_and_the_line(diverging: Path) -> None:
    result = CliRunner().invoke(app, ["find", str(diverging), "--width", "100"])
    assert "holds first in step" in result.output
    assert "each update overshoots" in result.output
    assert "loss = ((w * x - 3 * x) ** 2).mean()" in result.output
