"""Updates worked out with numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd_lens.render.worked import worked, worked_update
from autograd_lens.trace.expr import evaluate
from autograd_lens.trace.records import ParameterUpdate, TensorUse
from tests.support.linear_step import Tape, linear_step, value


@pytest.fixture
def tape() -> Tape:
    return Tape(phase="update")


def parameter(tape: Tape, array: Any, name: str = "w1") -> tuple[TensorUse, TensorUse]:
    """A parameter and its gradient of ones."""
    known = np.float32(array)
    return tape.tensor(known, name, "parameter"), tape.tensor(
        np.ones_like(known), f"{name}.grad", "gradient"
    )


def update(tape: Tape, before: Any, grad: Any, after: Any, name: str = "w1") -> ParameterUpdate:
    arrays = {"before": before, "grad": grad, "after": after}
    values = {key: value(np.float32(array)) for key, array in arrays.items()}
    record = replace(linear_step().updates[0], parameter=name, expression="")
    return replace(record, kernels=tuple(range(len(tape.kernels))), **values)


def change(tape: Tape, op: str, first: TensorUse, **others: Any) -> TensorUse:
    return tape.run(op, {"self": first} | others, first)


def test_one_element_is_worked_out_without_naming_it() -> None:
    step = linear_step()

    assert worked(step.updates[0], step.kernels) == ("", "1.541 - 0.01 * (-5.55848)", "1.59658")


def test_a_minus_at_the_start_needs_no_brackets() -> None:
    step = linear_step()

    assert worked(step.updates[1], step.kernels) == (
        *("", "-0.293429 - 0.01 * (-11.5113)", "-0.178316"),
    )


def test_but_a_power_does(tape: Tape) -> None:
    w, grad = parameter(tape, [-2])
    change(tape, "pow_.Scalar", w, exponent=2)
    change(tape, "sub_.Tensor", w, other=grad)

    assert worked(update(tape, [-2], [1], [3]), tape.kernels) == ("", "(-2) ** 2 - 1", "3")


def test_a_negative_number_behind_a_plus_is_in_brackets(tape: Tape) -> None:
    w, grad = parameter(tape, [5])
    change(tape, "add_.Tensor", w, other=grad)

    assert worked(update(tape, [5], [-2], [3]), tape.kernels) == ("", "5 + (-2)", "3")


def test_a_matrix_is_worked_out_for_its_first_element(tape: Tape) -> None:
    w, grad = parameter(tape, [[1, 2], [3, 4]])
    change(tape, "sub_.Tensor", w, other=grad, alpha=0.5)
    matrix = update(tape, [[1, 2], [3, 4]], np.eye(2), [[0.5, 2], [3, 3.5]])

    assert worked(matrix, tape.kernels) == ("[0, 0]", "1 - 0.5 * 1", "0.5")


def test_the_optimizers_state_is_looked_up_on_the_tape(tape: Tape) -> None:
    w, _ = parameter(tape, [1])
    other = tape.tensor(np.float32([7]), "momentum", "state")  # another parameter's, same name
    buffer = tape.tensor(np.float32([4]), "momentum", "state")
    change(tape, "mul_.Tensor", other, other=0.9)
    change(tape, "sub_.Tensor", w, other=buffer, alpha=0.9)

    found = worked(update(tape, [1], [1], [-2.6]), tape.kernels)

    assert found == ("", "1 - 0.9 * 4", "-2.6")


def test_a_name_without_a_number_is_not_worked_out(tape: Tape) -> None:
    w, _ = parameter(tape, [1])
    buffer = replace(tape.tensor(np.float32([4]), "momentum", "state"), value=None)
    change(tape, "sub_.Tensor", w, other=buffer)

    assert worked(update(tape, [1], [1], [-3]), tape.kernels) is None


def test_products_of_matrices_are_not_told_by_one_element(tape: Tape) -> None:
    w, grad = parameter(tape, np.eye(2))
    turned = tape.run("mm.default", {"self": grad, "mat2": w}, tape.tensor(np.float32(np.eye(2))))
    change(tape, "sub_.Tensor", w, other=turned)

    assert worked(update(tape, np.eye(2), np.eye(2), np.zeros((2, 2))), tape.kernels) is None


@pytest.mark.parametrize("name", ["0.weight", "a+b", "w[0]", "w1.grad"])
def test_any_name_is_put_in_as_a_whole(tape: Tape, name: str) -> None:
    w, grad = parameter(tape, [1], name)
    change(tape, "sub_.Tensor", w, other=grad, alpha=0.1)

    found = worked(update(tape, [1], [4], [0.6], name), tape.kernels)

    assert found == ("", "1 - 0.1 * 4", "0.6")


def test_numbers_that_do_not_give_the_result_are_not_shown(tape: Tape) -> None:
    w, grad = parameter(tape, [1])
    change(tape, "sub_.Tensor", w, other=grad, alpha=0.1)

    assert worked(update(tape, [1], [4], [0.7]), tape.kernels) is None


def test_an_overflow_is_shown_as_it_is(tape: Tape) -> None:
    w, grad = parameter(tape, [1])
    change(tape, "sub_.Tensor", w, other=grad)

    found = worked(update(tape, [1], [np.inf], [-np.inf]), tape.kernels)

    assert found == ("", "1 - inf", "-inf")


def test_the_formula_gives_the_result() -> None:
    step = linear_step()
    for record in step.updates:
        found = worked_update(record, step.kernels)
        assert found is not None
        assert evaluate(found.formula, {}) == pytest.approx(found.result.value, rel=1e-5)


def test_values_that_were_not_kept_are_not_made_up() -> None:
    step = linear_step()
    record = step.updates[0]
    summary = replace(record.after, data=None)

    assert worked(replace(record, after=summary), step.kernels) is None
    assert worked(replace(record, before=None), step.kernels) is None
    assert worked(replace(record, before=None, grad=None), step.kernels) is None
