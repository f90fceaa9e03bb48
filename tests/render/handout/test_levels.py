"""Level lines of a loss that was computed over a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import TriedRate, lesson
from autograd_lens.render.handout import HandoutOptions, document, markdown
from autograd_lens.render.handout.figures import Levels, descent, level_lines
from autograd_lens.render.handout.texts import texts
from autograd_lens.trace.kept import Surface
from tests.support.lesson_run import regression_run


def surface(loss: Any) -> Surface:
    """A loss over the square from -1 to 1."""
    u, v = np.linspace(-1, 1, 81), np.linspace(-1, 1, 61)
    one, two = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    values = np.asarray(loss(u[None, :], v[:, None]), np.float64)
    return Surface(u, v, values, np.zeros(2), one, two, ("w", "b"), ((), ()), 7)


def test_the_loss_is_the_same_along_each_line() -> None:
    found = level_lines(surface(lambda u, v: 1 + u**2 + v**2))
    assert found is not None
    assert found.step == 7
    assert len(found.lines) > 8
    for line in found.lines:
        radius = np.hypot(line[:, 0], line[:, 1])
        assert np.ptp(radius) < 0.01


def test_a_loss_that_is_nowhere_a_number_has_no_lines() -> None:
    assert level_lines(surface(lambda u, v: np.nan * (u + v))) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_run_on_changing_data_gets_its_lines_and_says_of_which_batch(language: str) -> None:
    found = lesson(regression_run(4, light=(0, 1, 2, 3)), [0])  # no tape: nothing is recognised
    assert found.ending is None
    lines = (np.array([found.path.values[0, :2], found.path.values[-1, :2]]),)
    options = HandoutOptions(language, levels=Levels(lines, 3))
    words = texts(language)
    assert descent(found, words, lines).count('class="level"') == 1
    assert 'class="level"' not in descent(found, words)
    said = words["descent_levels"].format(first="w1", second="b1", count="4", batch=3)
    assert said in markdown(document(found, options))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_learning_rates_that_were_tried_stand_in_a_table(language: str) -> None:
    found = lesson(regression_run(4, light=(0, 1, 2, 3)), [0])
    tried = (TriedRate(0.01, 4, 64.5, own=True), TriedRate(0.1, 4, 7.25))
    text = markdown(document(found, HandoutOptions(language, tried=tried)))
    words = texts(language)
    assert f"| {words['this_run'].format(rate='0.01')} | 4 | 64.5 |" in text
    assert "| 0.1 | 4 | 7.25 |" in text
    assert words["tried"].format(count=4) in text
