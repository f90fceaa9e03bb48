"""The worksheet: answers follow from what is printed on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import autograd_lens as lens
from autograd_lens.analysis.lesson import Lesson, lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.handout import markdown
from autograd_lens.render.handout.worksheet import SheetOptions, exercise, worksheet
from tests.support.lesson_run import regression_run


def test_the_answers_follow_from_the_numbers_on_the_sheet(content: Lesson) -> None:
    sheet = markdown(worksheet(content, "en", SheetOptions(7), answers=True)).replace("−", "-")
    rows = [line.strip("| ").split(" | ") for line in sheet.splitlines() if line.startswith("| ")]
    table = np.array([[float(cell) for cell in row] for row in rows[2:]])
    _, x, y, predicted, error, error_x, error_2 = table.T
    assert np.allclose(predicted, 1.54 * x - 0.29, atol=1e-4)
    assert np.allclose(error, predicted - y, atol=1e-4)
    by_weight, by_bias, loss = error_x.mean(), error.mean(), error_2.mean() / 2
    answers = [float(found) for found in re.findall(r"= (-?\d+\.\d{4})\n", sheet)]
    assert answers == pytest.approx([loss, by_weight, by_bias], abs=2e-4)
    bold = [float(found) for found in re.findall(r"\*\*(-?\d+\.\d{4})\*\*", sheet)]
    after = [1.54 - 0.01 * by_weight, -0.29 - 0.01 * by_bias]
    assert bold == pytest.approx([*after, 2 * by_weight, 2 * by_bias], abs=4e-4)


def test_the_sheet_itself_gives_no_answer_away(content: Lesson) -> None:
    sheet = markdown(worksheet(content, "en", SheetOptions(7), answers=False)).replace("−", "-")
    given = exercise(content, 7)
    hidden = [given.loss, *given.gradients, *given.after, *given.error, *given.prediction]
    assert [number for number in hidden if f"{number:.4f}" in sheet] == []


def test_each_seed_has_its_own_points_and_the_same_seed_the_same(content: Lesson) -> None:
    sheets = {
        seed: markdown(worksheet(content, "zh", SheetOptions(seed), answers=False))
        for seed in range(5)
    }
    assert len(set(sheets.values())) == 5
    assert markdown(worksheet(content, "zh", SheetOptions(3), answers=False)) == sheets[3]


def test_points_belong_to_the_data(content: Lesson) -> None:
    given = exercise(content, 11)
    data = set(zip(content.regression.x.round(2), content.regression.y.round(2), strict=True))
    assert set(zip(given.x, given.y, strict=True)) <= data


def test_a_run_that_is_no_regression_is_told() -> None:
    found = lesson(regression_run(2, light=(0, 1)), [0])
    with pytest.raises(RenderError, match="recorded light"):
        worksheet(found, "en", SheetOptions(0), answers=False)


def _logistic(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(X @ w + b, T)


def _two_layers(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    hidden = (X @ w.reshape(2, 1) * 0.5).tanh()
    return ((hidden * b - T) ** 2).mean()


X = torch.tensor([[1.0, 0.5], [2.0, -1.0], [-1.0, 1.5]])
T = torch.tensor([[1.0], [1.0], [0.0]])
SGD, ADAM = torch.optim.SGD, torch.optim.Adam


@pytest.mark.parametrize("loss_of", [_logistic, _two_layers])
@pytest.mark.parametrize(
    "optimizer",
    [lambda p: SGD(p, 0.5), lambda p: SGD(p, 0.1, momentum=0.9), lambda p: ADAM(p, lr=0.1)],
    ids=["plain", "momentum", "adam"],
)
def test_the_key_of_any_small_run_is_what_autograd_gives(
    loss_of: Callable[..., torch.Tensor],
    optimizer: Callable[..., torch.optim.Optimizer],
    tmp_path: Path,
) -> None:
    w, b = torch.tensor([[0.3], [-0.7]]).requires_grad_(), torch.tensor([0.4]).requires_grad_()
    parameters = [w, b]
    made = optimizer(parameters)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            made.zero_grad()
            loss = loss_of(w, b)
            loss.backward()
            before = [parameter.grad.clone() for parameter in parameters]
            made.step()
    with lens.open(tmp_path / "run.lens") as trace:
        found = lesson(trace, [1])
    key, blank = (
        markdown(worksheet(found, "en", SheetOptions(), answers=answers)).replace("−", "-")
        for answers in (True, False)
    )
    for parameter, grad in zip(parameters, before, strict=True):
        for number in (*grad.flatten().tolist(), *parameter.flatten().tolist()):
            assert f"{number:.4g}" in key
            assert f"{number:.4g}" not in blank
    assert f"= {loss.item():.4g}" in key


def test_what_is_not_asked_for_is_given(tmp_path: Path) -> None:
    w, b = torch.tensor([[0.3], [-0.7]]).requires_grad_(), torch.tensor([0.4]).requires_grad_()
    with lens.record(tmp_path / "run.lens"):
        _logistic(w, b).backward()
    with lens.open(tmp_path / "run.lens") as trace:
        found = lesson(trace, [0])
    options = SheetOptions(parts=("update",))
    sheet = markdown(worksheet(found, "en", options, answers=False)).replace("−", "-")
    assert f"{float(w.grad[0, 0]):.6g}" in sheet
    wide = torch.nn.Linear(30, 30)
    with lens.record(tmp_path / "wide.lens"):
        wide(torch.randn(2, 30)).sum().backward()
    with (
        lens.open(tmp_path / "wide.lens") as trace,
        pytest.raises(RenderError, match="at most 200"),
    ):
        worksheet(lesson(trace, [0]), "en", SheetOptions(), answers=False)
