"""Words on the cards of the graph picture."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.render import graph_text as text
from autograd_lens.render.graph_words import spoken_dot
from autograd_lens.trace.records import Constant, Source
from tests.support.linear_step import POW, SOURCE, linear_step, source, value


def test_a_few_elements_are_written_out_and_more_are_summed_up() -> None:
    assert text.value(value(np.float32([[1.5]]))) == "[[1.5]]"
    assert text.value(value(np.arange(10, dtype=np.float32))) == "(10,)  0 to 9, mean 4.5"
    assert text.value(None) == "None"


def test_a_nan_is_said() -> None:
    broken = np.float32([1, 2, np.nan, 4, 5])
    assert text.value(value(broken)) == "(5,)  1 to 5, mean 3  1 NaN"


def test_code_is_cut_out_by_its_columns() -> None:
    assert text.code(source("y_pred - y_true"), lambda _: SOURCE) == "y_pred - y_true"


def test_columns_count_bytes() -> None:
    line = "损失 = 权重.mm(x)"
    at = Source("a.py", 1, 1, len("损失 = ".encode()), len(line.encode()), "f")
    assert text.code(at, lambda _: line) == "权重.mm(x)"


def test_an_expression_over_several_lines_becomes_one_line() -> None:
    at = Source("a.py", 1, 3, 4, 1, "f")
    assert text.code(at, lambda _: "y = f(\n    x,\n) + 1") == "f( x, )"


def test_without_columns_the_whole_line_is_shown() -> None:
    assert text.code(Source("a.py", 1, 1, -1, -1, "f"), lambda _: "  y = f(x)") == "y = f(x)"


@pytest.mark.parametrize("at", [None, Source("gone.py", 1, 1, 0, 1, "f")])
def test_unknown_code_is_left_out(at: Source | None) -> None:
    assert text.code(at, lambda _: None) == ""


def test_a_long_call_leaves_arguments_out() -> None:
    assert text.shorten_call("f(grad, self, other_tensor, 1)", 22) == "f(grad, self, …)"
    assert text.shorten_call("f(grad, self)", 22) == "f(grad, self)"
    assert text.shorten_call("a + b + c + d + e + f", 10) == "a + b + c…"


def test_saved_constants_read_as_python() -> None:
    step = linear_step()
    exponent, _ = step.backwards[0].graph.nodes[POW].saved
    assert text.saved(exponent.value) == "2"
    assert text.saved(Constant("scalar", "mean")) == "'mean'"
    assert text.saved((Constant("scalar", 0.1), None)) == "(0.1, None)"


def test_a_picture_in_another_language_says_norms_and_leaves_names() -> None:
    dot = 'digraph {\n  a [label=<<b>norm 1</b>>]\n  a -> b [label="  (100, 1)  norm 1.152 "]\n}\n'
    said = spoken_dot(dot, "zh")
    assert '"  (100, 1)  范数 1.152 "' in said
    assert "<b>norm 1</b>" in said
    assert spoken_dot(dot, "en") == dot
