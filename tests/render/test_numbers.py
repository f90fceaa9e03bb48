"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lens.render.numbers import brief_value, histogram, render_value, scalar
from autograd_lens.trace.values import Summary, Value
from tests.support.linear_step import value

RAMP = np.arange(10, dtype=np.float32)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.0506871, "3.05069"),
        (np.float32(1.541), "1.541"),
        (0.0, "0"),
        (-0.0, "-0"),
        (1e-12, "1e-12"),
        (123456789, "123456789"),
        (True, "True"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
        (1 - 2j, "1-2j"),
    ],
)
def test_scalars_have_six_digits_that_count(number: Any, text: str) -> None:
    assert scalar(number) == text


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (1.5, "1.5"),
        (np.float32([[3.050687]]), "[[3.05069]]"),
        (np.float32([[1, 2], [3, 4]]), "[[1, 2], [3, 4]]"),
        (np.float64([1.5]), "[1.5]  float64"),
        (np.zeros((3, 4), np.float32), "(3, 4)  all 0"),
        (np.float32([[[1, 2]]]), "[[[1, 2]]]"),
        (np.full((1, 2, 3), 1 / 3, np.float32), "(1, 2, 3)  all 0.333333"),
        (np.zeros((0, 3), np.float32), "(0, 3)  empty"),
        (RAMP, "(10,)  █▅▅▅▅▅▅█  0 to 9, mean 4.5"),
        (np.arange(10) > 6, "(10,)  bool  3 of 10 True"),
        (np.arange(8), "(8,)  int64  ████████  0 to 7, mean 3.5"),
    ],
)
def test_a_value_on_one_line(array: Any, text: str) -> None:
    assert render_value(value(array)).plain == text


def test_no_value_is_none() -> None:
    assert render_value(None).plain == "None"
    assert brief_value(None).plain == "None"


def test_nan_and_infinity_are_said_in_words_and_in_red() -> None:
    text = render_value(value(np.concatenate([RAMP, np.float32([np.nan, np.nan, np.inf])])))

    assert text.plain.endswith("2 NaN, 1 infinite")
    assert [span.style for span in text.spans][-1] == "bold red"


def test_nothing_but_nan_is_said_at_once() -> None:
    assert render_value(value(np.full((4, 4), np.nan, np.float32))).plain == "(4, 4)  all NaN"


def test_a_single_nan_is_red_too() -> None:
    text = render_value(value(np.float32([np.nan])))

    assert text.plain == "[NaN]"
    assert "bold red" in [span.style for span in text.spans]


def test_a_summary_says_that_it_is_one() -> None:
    summary = Summary("ab", norm=12.3, minimum=-3, maximum=3, mean=0.01, nan_count=2, inf_count=0)

    text = render_value(Value("float32", (512, 512), None, summary)).plain

    assert text == "(512, 512)  -3 to 3, mean 0.01  norm 12.3  2 NaN  (summary)"


def test_a_summary_of_which_only_the_norm_is_known() -> None:
    unread = Value("bfloat16", (512,), None, Summary("ab", norm=12.3))

    assert render_value(unread).plain == "(512,)  bfloat16  norm 12.3  (summary)"
    assert brief_value(unread).plain == "(512,)  norm 12.3"


def test_a_dtype_that_numpy_lacks_is_no_error() -> None:
    quantized = Value("qint8", (3,), b"123")

    assert render_value(quantized).plain == "(3,)  qint8  cannot be shown as numbers"
    assert brief_value(quantized).plain == "(3,)"


def test_brief_is_the_number_or_shape_and_norm() -> None:
    assert brief_value(value(np.float32([[2.5]]))).plain == "2.5"
    assert brief_value(value(np.float32([[3, 4]]))).plain == "(1, 2)  norm 5"


def test_an_empty_bin_is_lower_than_a_bin_with_one() -> None:
    assert histogram(np.float32([0, 7, 7, 7, 7, 7, 7, 7])) == "▂▁▁▁▁▁▁█"


@pytest.mark.parametrize("extreme", [1e-45, 1e308, 2**62])
def test_a_histogram_of_extremes_neither_fails_nor_warns(extreme: float) -> None:
    assert len(histogram(np.array([-extreme, 0.0, extreme]))) == 8
    assert histogram(np.array([2**62, 2**62 + 1])) == "█▁▁▁▁▁▁▁"


def test_no_style_sets_a_background_or_a_fixed_colour() -> None:
    text = render_value(value(np.float32([1, np.nan, 3, 4, 5, 6, 7])))

    assert {str(span.style) for span in text.spans} <= {"dim", "bold red", ""}
