"""``autograd-lens cure``: what keeps a run finite, each sentence of steps that were executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import autograd_lens as lens
from autograd_lens.cli import app


def diverging(path: Path, *, optimizer: str = "SGD", bad: int = -1, **numbers: float) -> Path:
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    x = torch.rand(20, 1)
    y = 3 * x + 10
    update = getattr(torch.optim, optimizer)(model.parameters(), **({"lr": 1.5} | numbers))
    with lens.record(path):
        for t in range(140):
            batch = x * (float("nan") if t == bad else 1.0)
            loss = ((model(batch) - y) ** 2).mean()
            update.zero_grad()
            loss.backward()
            update.step()
    return path


def cured(path: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["cure", str(path), "--json", *words])
    found: dict[str, Any] = json.loads(result.output)
    assert result.exit_code == (0 if any(t["finite"] for t in found["trials"][1:]) else 1)
    return found


def test_a_smaller_rate_or_clipping_keeps_it_finite_and_leaving_a_batch_out_does_not(
    tmp_path: Path,
) -> None:
    found = cured(diverging(tmp_path / "run.lens"))
    by_name = {one["name"]: one for one in found["trials"]}
    with lens.open(tmp_path / "run.lens") as trace:
        recorded = trace.losses[found["first"] : found["first"] + found["steps"]].tolist()
    assert by_name["as recorded"]["losses"][:20] == recorded[:20]
    assert not by_name["as recorded"]["finite"]
    assert by_name["half of the learning rate: 0.75"]["falls"]
    assert by_name["a tenth of the learning rate: 0.15"]["falls"]
    (clipped,) = (one for name, one in by_name.items() if "clipped" in name)
    assert clipped["finite"]
    (without,) = (one for name, one in by_name.items() if "without" in name)
    assert not without["finite"]
    assert "bit for bit" in found["proof"]


def test_what_is_said_of_a_rate_is_what_the_program_does_with_it(tmp_path: Path) -> None:
    found = cured(diverging(tmp_path / "run.lens"), "--from", "0")
    diverging(tmp_path / "half.lens", lr=0.75)
    with lens.open(tmp_path / "half.lens") as trace:
        truth = trace.losses[: found["steps"]].tolist()
    (half,) = (one for one in found["trials"] if one["name"].startswith("half"))
    assert half["losses"][: len(truth)] == truth[: len(half["losses"])]


def test_a_batch_that_is_to_blame_is_left_out(tmp_path: Path) -> None:
    found = cured(diverging(tmp_path / "run.lens", bad=50, lr=0.1), "--beyond", "5")
    helped = [one["name"] for one in found["trials"][1:] if one["finite"]]
    assert helped == ["without the batch of steps 49 and 50"]
    assert found["step"] == 50


def test_another_epsilon_is_tried_where_there_is_one(tmp_path: Path) -> None:
    path = diverging(tmp_path / "run.lens", optimizer="Adam")
    found = cured(path, "--step", "5", "--beyond", "3")
    assert "eps 0.0001 instead of 1e-08" in [one["name"] for one in found["trials"]]
    assert all(one["finite"] for one in found["trials"])


def test_curves_are_drawn_and_printed(tmp_path: Path) -> None:
    path, picture = diverging(tmp_path / "run.lens"), tmp_path / "cure.svg"
    result = CliRunner().invoke(app, ["cure", str(path), "-o", str(picture), "--width", "120"])
    assert "Finite, and its loss falls, with: half of the learning rate: 0.75;" in result.output
    assert "In float64, from the same parameters, the loss of step" in result.output
    assert "half of the learning rate" in picture.read_text()


def test_a_healthy_run_asks_for_a_step(tmp_path: Path) -> None:
    path = diverging(tmp_path / "run.lens", lr=0.1)
    result = CliRunner().invoke(app, ["cure", str(path)])
    assert "Every recorded loss is a finite number." in result.output + (result.stderr or "")
    assert result.exit_code != 0


def test_what_no_tape_tells_of_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(1, 1), torch.rand(20, 1)
    update = torch.optim.SGD(model.parameters(), lr=0.1)
    with lens.record(tmp_path / "run.lens"):
        for t in range(20):
            loss = (model(x) - 3 * x).pow(2).mean()
            update.zero_grad()
            loss.backward()
            update.step()
            if t == 10:
                model.weight.data.numpy()[...] = 1e3
    result = CliRunner().invoke(app, ["cure", str(tmp_path / "run.lens"), "--step", "12"])
    assert "cannot be proved: Something that is no kernel changed weight" in result.output
    assert "Finite" not in result.output


@pytest.mark.parametrize("words", [["--from", "60", "--step", "20"]])
def test_a_beginning_behind_the_step_is_refused(words: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["cure", str(diverging(tmp_path / "run.lens")), *words])
    assert "Step 60 is behind step 20." in result.output + (result.stderr or "")
