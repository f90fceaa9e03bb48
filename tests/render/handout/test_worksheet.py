"""The worksheet: answers follow from what is printed on it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from autograd_lens.analysis.lesson import Lesson, lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.handout import markdown
from autograd_lens.render.handout.worksheet import exercise, worksheet
from tests.support.lesson_run import regression_run


def test_the_answers_follow_from_the_numbers_on_the_sheet(content: Lesson) -> None:
    sheet = markdown(worksheet(content, "en", 7, answers=True)).replace("−", "-")
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
    sheet = markdown(worksheet(content, "en", 7, answers=False)).replace("−", "-")
    given = exercise(content, 7)
    hidden = [given.loss, *given.gradients, *given.after, *given.error, *given.prediction]
    assert [number for number in hidden if f"{number:.4f}" in sheet] == []


def test_each_seed_has_its_own_points_and_the_same_seed_the_same(content: Lesson) -> None:
    sheets = {seed: markdown(worksheet(content, "zh", seed, answers=False)) for seed in range(5)}
    assert len(set(sheets.values())) == 5
    assert markdown(worksheet(content, "zh", 3, answers=False)) == sheets[3]


def test_points_belong_to_the_data(content: Lesson) -> None:
    given = exercise(content, 11)
    data = set(zip(content.regression.x.round(2), content.regression.y.round(2), strict=True))
    assert set(zip(given.x, given.y, strict=True)) <= data


def test_a_run_that_is_no_regression_is_told() -> None:
    found = lesson(regression_run(2, light=(0, 1)), [0])
    with pytest.raises(RenderError, match="linear regression"):
        worksheet(found, "en", 0, answers=False)
