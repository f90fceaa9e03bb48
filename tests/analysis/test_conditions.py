"""Conditions over a run: what they mean, and how their mistakes are pointed at."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from autograd_lens.analysis.conditions import parse_condition
from autograd_lens.errors import ConditionError, SelectionError

NAN, INF = np.nan, np.inf


class Run:
    """Six steps of a run with a number ``w1``, a vector ``b1`` and a layer's weight."""

    losses = np.array([20, 12, 8, NAN, 3, 1.0])

    def __init__(self) -> None:
        bias = np.array([[3.0, 4.0], [0, 0], [0, 1], [-1, 2], [8, 6], [1, 1], [0, 0]])
        grads = np.array([NAN, 5.0, -7.0, NAN, INF, 1.0]).reshape(6, 1, 1)
        modes = np.array(["", "set", "accumulate", "accumulate", "set", "set"])
        self.histories = {
            "w1": history(np.arange(7.0).reshape(7, 1, 1), grads, modes),
            "b1": history(bias, before=np.full((6, 2), 9.0)),
            "model.0.weight": history(np.tile(np.arange(6.0).reshape(2, 3), (7, 1, 1))),
            "params[1]": history(np.arange(7.0)[:, None]),
            "empty": history(np.ones((7, 0))),
        }

    def parameter(self, name: str) -> SimpleNamespace:
        return self.histories[name]


def history(
    values: np.ndarray,
    grads: np.ndarray | None = None,
    modes: np.ndarray | None = None,
    before: np.ndarray | None = None,
) -> SimpleNamespace:
    """One parameter over six steps; the first has no gradient, and few had one before."""
    early = (np.arange(6) > 0) & (np.arange(6) < 4) & (before is not None)
    there = {"value": np.ones(7, bool), "grad": np.arange(6) > 0, "grad_before": early}
    shown = np.zeros_like(values[:-1]) if grads is None else grads
    words = np.full(6, "") if modes is None else modes
    return SimpleNamespace(
        parameter=SimpleNamespace(shape=values.shape[1:]),
        values=values,
        grads=shown,
        grads_before=shown if before is None else before,
        held=there,
        modes=words,
    )


NAMES = ("w1", "b1", "w", "model.0.weight", "params[1]", "empty", "")


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
        ("model.0.weight[1,2] == 5", [0, 1, 2, 3, 4, 5]),
        ("model.0.weight[0,-1] == 2 and model.0.weight[-2,1] == 1", [0, 1, 2, 3, 4, 5]),
        ("model.0.weight[1] == 4 and model.0.weight[-1] == 3", [0, 1, 2, 3, 4, 5]),
        ("mean(b1) == 3.5", [0]),
        ("any(b1 == 6)", [4]),
        ("mean(empty) == 0 and max(empty) < 0 and min(empty) > 0", [0, 1, 2, 3, 4, 5]),
        ("all(empty) and not any(empty) and sum(empty) == 0", [0, 1, 2, 3, 4, 5]),
        ("w1.after == 3", [2]),
        ("b1.grad_before == 9", [1, 2, 3]),
        ("b1.grad == 9", []),
        ("w1.mode", [1, 2, 3, 4, 5]),
        ("'set'", [0, 1, 2, 3, 4, 5]),
        ("  w1 == 3", [3]),
        ("step == 2".ljust(500), [2]),
        ("\tparams[1] == 3 ", [3]),
        ("+step == 2", [2]),
        ("loss < inf and step < 2", [0, 1]),
        ("step == 99999999999999999999999 or step == 1", [1]),
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


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_with_nan_never_hold_on_whichever_side_it_is(sign: str) -> None:
    assert found(f"loss {sign} 5 and step == 3") == []
    assert found(f"5 {sign} loss and step == 3") == []
    assert found(f"loss {sign} w1.grad and step == 3") == []


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_with_a_gradient_that_is_not_there_never_hold(sign: str) -> None:
    assert found(f"w1.grad_before {sign} 5") == found(f"5 {sign} w1.grad_before") == []
    assert 0 not in found(f"w1.mode {'!=' if sign == '!=' else '=='} 'x'")


def test_arithmetic_with_what_is_not_there_is_not_there() -> None:
    assert found("isnan(w1.grad + 1)") == [3]
    assert found("w1.grad_before + 1 > 0") == []


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
        ("(loss > 1", 0, "'(' was never closed"),
        ("loss > 1)", 8, "unmatched"),
        ("los > 1", 0, "Did you mean loss"),
        ("w1.gard > 1", 2, "Did you mean w1.grad"),
        ("loss ; 1", 5, "means nothing"),
        ("w1.mode == 'set", 11, "closing quote"),
        ("__import__('os')", 0, "nothing is called"),
        ("w1.zzz > 1", 2, "w1 has after, grad, grad_before, mode, value. Did you mean w1.grad?"),
        ("zzz > 1", 0, "Known are loss, step, b1, empty, model.0.weight, params[1] and others"),
        ("loss ** 2 > 1", 0, "Write a product."),
        ("loss # 1", 5, "at character 6, '#': this character means nothing here."),
        ("loss > ", 6, "at character 7: something else should stand here."),
        ("b1[1.5]", 3, "whole number"),
        ("b1[not 1] > 0", 3, "whole number"),
        ("b1[0, step] > 0", 6, "whole number"),
        ("b1[-step] > 0", 3, "whole number"),
        ("b1[] > 0", 3, "should stand here"),
        ("(b1 + 1)[0] > 0", 0, "more than a condition can say"),
        ("abs loss", 4, "should stand here"),
        ("abs > 1", 3, "'(' is missing"),
        ("  loss > > 1", 9, "should stand here"),
        ("loss ** 2 > 1", 0, "more than a condition can say"),
        ("abs(loss, 2) > 1", 0, "more than a condition can say"),
        ("layer.0.weigth > 1", 0, "nothing is called 'layer.0.weigth'"),
        ("model.0.weihgt.grad > 1", 0, "Did you mean model.0.weight"),
        ("loss > 1 if step else 2", 9, "nothing is called 'if'"),
        ("loss.real > 1", 0, "nothing is called 'loss.real'"),
        ("'größe' > los", 10, "Did you mean loss"),
        ("(1).real", 3, "means nothing"),
        ("[loss > 1]", 0, "more than a condition can say"),
        ("(" * 210 + "1" + ")" * 210, 200, "too many nested"),
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
        ("w1.mode == 1", 8, "can only be compared"),
        ("(w1.mode) < 'set'", 10, "can only be compared"),
        ("  abs(b1 + model.0.weight) > 1", 9, "shapes (2,) and (2, 3) do not fit"),
        ("abs(w1.mode) == 1", 0, "needs a number"),
        ("b1[7] > 1", 0, "b1 has shape (2,), so there is no b1[7]."),
        (" b1[0,0] > 1", 1, "b1 has shape (2,), so there is no b1[0,0]."),
    ],
)
def test_what_does_not_fit_is_pointed_at_when_it_meets_the_run(
    condition: str, position: int, words: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        found(condition)
    assert caught.value.position == position
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "step", "value"),
    [
        ("loss", 2, 8.0),
        ("step % 4", 5, 1.0),
        ("w1", 4, [[4.0]]),
        ("w1.after", 4, [[5.0]]),
        ("w1.grad", 2, [[-7.0]]),
        ("w1.grad", 0, None),  # it had none
        ("b1.grad_before", 5, None),
        ("w1.mode", 1, "set"),
        ("norm(b1)", 0, 5.0),
        ("model.0.weight[1,2]", 3, 5.0),
        ("model.0.weight * 2", 3, [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]),
        ("loss > 10", 1, True),
        ("7", 3, 7.0),
    ],
)
def test_what_a_condition_comes_to_in_one_step(text: str, step: int, value: object) -> None:
    given = parse_condition(text, NAMES).value(Run(), step)
    if value is None:
        assert given is None
    else:
        assert given is not None
        assert np.squeeze(given).tolist() == np.squeeze(np.array(value)).tolist()
        assert given.shape == np.shape(value) or given.size == 1


def test_no_sign_or_bracket_overflows_the_stack() -> None:
    for condition in ("-" * 498 + "1", "1+" * 249 + "1", "not " * 124 + "1"):
        try:
            parse_condition(condition, NAMES).holds(Run())
        except ConditionError as error:
            assert "within each other" in str(error)  # noqa: PT017  either will do


def test_five_thousand_steps_are_searched_in_milliseconds() -> None:
    run = SimpleNamespace(losses=np.arange(5000.0))
    condition = parse_condition("step % 100 == 7 and abs(loss - 50) < 4000 or loss > 4990", NAMES)
    start = time.perf_counter()
    matches = condition.holds(run)
    assert time.perf_counter() - start < 0.1
    assert matches.sum() == 41 + 9
