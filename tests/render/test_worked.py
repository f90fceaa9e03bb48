"""Updates worked out with numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd_lens.render.worked import worked
from autograd_lens.trace.records import ParameterUpdate
from tests.support.linear_step import Tape, linear_step, value


def update(expression: str, **arrays: Any) -> ParameterUpdate:
    record = linear_step().updates[0]
    values = {name: value(np.float32(array)) for name, array in arrays.items()}
    return replace(record, expression=expression, kernels=(), **values)


def test_one_element_is_worked_out_without_naming_it() -> None:
    step = linear_step()

    assert worked(step.updates[0], step.kernels) == ("", "1.541 - 0.01 * (-5.55848)", "1.59658")


def test_a_minus_at_the_start_needs_no_brackets() -> None:
    step = linear_step()

    assert worked(step.updates[1], step.kernels) == (
        *("", "-0.293429 - 0.01 * (-11.5113)", "-0.178316"),
    )


def test_but_a_power_does() -> None:
    negative = update("w1 ** 2 - w1.grad", before=[-2], grad=[1], after=[3])

    assert worked(negative, ()) == ("", "(-2) ** 2 - 1", "3")


def test_a_matrix_is_worked_out_for_its_first_element() -> None:
    matrix = update(
        "w1 - 0.5 * w1.grad", before=[[1, 2], [3, 4]], grad=np.eye(2), after=[[0.5, 2], [3, 3.5]]
    )

    assert worked(matrix, ()) == ("[0, 0]", "1 - 0.5 * 1", "0.5")


def test_the_optimizers_state_is_looked_up_on_the_tape() -> None:
    tape = Tape()
    buffer = tape.tensor(np.float32([4]), "momentum", "state")
    tape.run("mul_.Tensor", {"self": buffer, "other": 0.9}, buffer)
    record = update("w1 - 0.9 * momentum", before=[1], grad=[1], after=[-2.6])

    assert worked(replace(record, kernels=(0,)), tape.kernels) == ("", "1 - 0.9 * 4", "-2.6")


def test_a_single_tensor_without_a_name_is_left_alone() -> None:
    tape = Tape()
    scaled = tape.tensor(np.float32([0.4]))
    tape.run("sub_.Tensor", {"self": tape.tensor(np.float32([1]), "w1"), "other": scaled}, scaled)
    record = update("w1 - 0.1 * w1.grad", before=[1], grad=[4], after=[0.6])

    found = worked(replace(record, kernels=(0,)), tape.kernels)

    assert found == ("", "1 - 0.1 * 4", "0.6")


def test_a_name_shared_by_two_tensors_is_not_trusted() -> None:
    tape = Tape()
    for number in (4, 5):
        buffer = tape.tensor(np.float32([number]), "momentum", "state")
        tape.run("mul_.Tensor", {"self": buffer, "other": 0.9}, buffer)
    record = update("w1 - 0.9 * momentum", before=[1], grad=[1], after=[-2.6])

    assert worked(replace(record, kernels=(0, 1)), tape.kernels) is None


@pytest.mark.parametrize(
    "expression",
    ["", "w1 - unknown", "w1 @ w1.grad", "w1 - sum(w1.grad)", "w1 with w1[0] = w1.grad[0]"],
)
def test_what_one_element_cannot_show_is_left_out(expression: str) -> None:
    assert worked(update(expression, before=[[1, 2]], grad=[[1, 2]], after=[[1, 2]]), ()) is None


def test_elementwise_functions_can_be_shown() -> None:
    record = update("w1 - w1.grad / sqrt(w1.grad)", before=[1], grad=[4], after=[-1])

    assert worked(record, ()) == ("", "1 - 4 / sqrt(4)", "-1")


def test_names_that_start_with_a_digit() -> None:
    record = update("0.weight - 0.1 * 0.weight.grad", before=[1], grad=[4], after=[0.6])

    assert worked(replace(record, parameter="0.weight"), ()) == ("", "1 - 0.1 * 4", "0.6")


def test_values_that_were_not_kept_are_not_made_up() -> None:
    step = linear_step()
    record = step.updates[0]
    summary = replace(record.after, data=None)

    assert worked(replace(record, after=summary), step.kernels) is None
    assert worked(replace(record, before=None), step.kernels) is None
    assert worked(replace(record, before=None, grad=None), step.kernels) is None
