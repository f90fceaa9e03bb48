"""Conditions over a run: what they mean, and how their mistakes are pointed at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from autograd_lens.analysis.columns import Column
from autograd_lens.analysis.conditions import parse_condition
from autograd_lens.errors import ConditionError, SelectionError

NAN, INF = np.nan, np.inf


@dataclass
class Run:
    """Six steps of a run with a number ``w1``, a vector ``b1`` and a layer's weight."""

    steps: int = 6
    parameters: dict[tuple[str, str], Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        everywhere = np.ones(6, bool)
        not_first = np.array([False, True, True, True, True, True])
        grads = np.array([[NAN], [5.0], [-7.0], [NAN], [INF], [1.0]])
        modes = np.array(["", "set", "accumulate", "accumulate", "set", "set"])
        bias = np.array([[3.0, 4.0], [0, 0], [0, 1], [-1, 2], [8, 6], [1, 1]])
        self.parameters = {
            ("w1", "value"): Column(np.arange(6.0)[:, None], everywhere, (1, 1)),
            ("w1", "grad"): Column(grads, not_first, (1, 1)),
            ("w1", "mode"): Column(modes[:, None], not_first),
            ("b1", "value"): Column(bias, everywhere, (2,)),
            ("model.0.weight", "value"): Column(np.ones((6, 6)), everywhere, (2, 3)),
            ("params[1]", "value"): Column(np.arange(6.0)[:, None], everywhere, (1,)),
        }

    def __len__(self) -> int:
        return self.steps

    def of_run(self, name: str) -> Column:
        numbers = {"step": np.arange(6.0), "loss": np.array([20, 12, 8, NAN, 3, 1.0])}
        return Column.of_scalars(numbers[name], np.ones(6, bool))

    def of_parameter(self, name: str, part: str) -> Column:
        return self.parameters[name, part]


NAMES = ("w1", "b1", "w", "model.0.weight", "params[1]")


def found(condition: str) -> list[int]:
    return np.flatnonzero(parse_condition(condition, NAMES).holds(Run())).tolist()


@pytest.mark.parametrize(
    ("condition", "steps"),
    [
        ("loss > 10", [0, 1]),
        ("10 < loss", [0, 1]),
        ("loss<=3", [4, 5]),
        ("loss + 1 == 9", [2]),
        ("step % 2 == 0", [0, 2, 4]),
        ("step", [1, 2, 3, 4, 5]),
        ("step * 2 - 1 >= 8 / 2 + 3", [4, 5]),
        ("1 < step < 4", [2, 3]),
        ("-step < -4", [5]),
        ("1 + 2 * 3 == 7", [0, 1, 2, 3, 4, 5]),
        ("(1 + 2) * 3 == 7", []),
        ("abs(w1.grad) > 6", [2, 4]),
        ("isinf(w1.grad)", [4]),
        ("norm(b1) < 1.5", [1, 2, 5]),
        ("b1[0] > b1[1]", [4]),
        ("b1[-1] == 4", [0]),
        ("b1 == 6", [4]),
        ("all(b1 > 0)", [0, 4, 5]),
        ("sum(b1) == 7", [0]),
        ("max(b1) - min(b1) >= 3", [3]),
        ("model.0.weight[1,2] == 1", [0, 1, 2, 3, 4, 5]),
        ("params[1] == 3", [3]),
        ("w1.mode == 'accumulate'", [2, 3]),
        ('w1.mode != "set"', [2, 3]),
        ("loss > 10 or loss < 2", [0, 1, 5]),
        ("loss > 10 and not step == 0", [1]),
        ("not (loss > 10 or step == 5)", [2, 3, 4]),
        ("step == 1 or step == 2 and loss > 100", [1]),
    ],
)
def test_a_condition_holds_where_it_says(condition: str, steps: list[int]) -> None:
    assert found(condition) == steps


def test_a_missing_gradient_is_not_a_nan() -> None:
    assert found("isnan(w1.grad)") == [3]


def test_comparisons_with_nan_never_hold_whatever_the_sign() -> None:
    assert [found(f"loss {sign} 5 and step == 3") for sign in ("<", ">", "==", "!=")] == [[]] * 4


def test_a_name_that_begins_like_another_is_read_in_full() -> None:
    assert found("w1 == 2") == [2]


@pytest.mark.parametrize(
    ("condition", "position", "words"),
    [
        ("", 0, "empty"),
        ("loss >", 6, "should stand here"),
        ("loss > > 1", 7, "should stand here"),
        ("loss = 1", 5, "For equality write =="),
        ("loss > 1 & step > 2", 9, "Write and"),
        ("(loss > 1", 9, "')' is missing"),
        ("loss > 1)", 8, "ended"),
        ("los > 1", 0, "Did you mean loss"),
        ("w1.gard > 1", 2, "Did you mean w1.grad"),
        ("loss ; 1", 5, "means nothing"),
        ("w1.mode == 'set", 11, "closing quote"),
        ("__import__('os')", 0, "nothing is called"),
        ("b1[1.5]", 3, "whole number"),
        ("abs loss", 4, "'(' is missing"),
        ("(" * 60 + "1" + ")" * 60, 40, "too many brackets"),
        ("1 +" * 400 + "1", 500, "at most 500"),
    ],
)
def test_a_mistake_is_pointed_at(condition: str, position: int, words: str) -> None:
    with pytest.raises(ConditionError, match=r"cannot be read at character \d+") as caught:
        parse_condition(condition, NAMES)
    assert caught.value.position == position
    assert words in str(caught.value)
    assert isinstance(caught.value, SelectionError)


@pytest.mark.parametrize(
    ("condition", "position", "words"),
    [
        ("b1 > model.0.weight", 3, "do not fit"),
        ("w1.mode > 1", 8, "can only be compared"),
        ("abs(w1.mode) == 1", 0, "needs a number"),
        ("b1[7] > 1", 0, "has shape (2,)"),
    ],
)
def test_what_does_not_fit_is_pointed_at_when_it_meets_the_run(
    condition: str, position: int, words: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        found(condition)
    assert caught.value.position == position
    assert words in str(caught.value)


def test_five_thousand_steps_are_searched_in_milliseconds() -> None:
    @dataclass
    class Long(Run):
        def __len__(self) -> int:
            return 5000

        def of_run(self, name: str) -> Column:  # noqa: ARG002  the same numbers for both
            return Column.of_scalars(np.arange(5000.0), np.ones(5000, bool))

    condition = parse_condition("step % 100 == 7 and abs(loss - 50) < 4000 or loss > 4990", NAMES)
    start = time.perf_counter()
    matches = condition.holds(Long())
    assert time.perf_counter() - start < 0.1
    assert matches.sum() == 41 + 9
