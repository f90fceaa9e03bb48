"""An update's kernels read as arithmetic in the program's own names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd_lens.trace.expression import notation, update_expression
from autograd_lens.trace.records import TensorUse
from tests.support.linear_step import Tape, linear_step, value, written

W = np.float32([[1.0, 2.0]])


@pytest.fixture
def tape() -> Tape:
    return Tape(phase="update")


@pytest.fixture
def w(tape: Tape) -> TensorUse:
    return tape.tensor(W, "w", "parameter")


@pytest.fixture
def grad(tape: Tape) -> TensorUse:
    return tape.tensor(W, "w.grad", "gradient")


def new(tape: Tape, op: str, **inputs: Any) -> TensorUse:
    """Run a kernel that returns a new tensor."""
    return tape.run(op, _schema(inputs), tape.tensor(W))


def change(tape: Tape, op: str, **inputs: Any) -> None:
    """Run a kernel that changes its first argument."""
    inputs = _schema(inputs)
    tape.run(op, inputs, next(iter(inputs.values())))


def _schema(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"self" if name == "this" else name: given for name, given in inputs.items()}


def expression(tape: Tape, parameter: str = "w") -> str:
    return update_expression(tape.kernels, range(len(tape.kernels)), parameter)


@pytest.mark.parametrize("name", ["w1", "b1"])
def test_the_handwritten_step_of_the_linear_regression(name: str) -> None:
    step = linear_step()
    (update,) = (update for update in step.updates if update.parameter == name)

    assert update_expression(step.kernels, update.kernels, name) == f"{name} - 0.01 * {name}.grad"


def test_all_kernels_of_the_step_give_the_same_as_those_of_the_update() -> None:
    step = linear_step()
    later = range(step.updates[0].kernels[0], len(step.kernels))

    assert update_expression(step.kernels, later, "b1") == "b1 - 0.01 * b1.grad"


def test_nothing_written_gives_nothing(tape: Tape, w: TensorUse) -> None:
    tape.run("detach.default", {"self": w}, tape.tensor(W))

    assert expression(tape) == ""


def test_data_that_is_replaced_reads_like_data_that_is_changed(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    data = new(tape, "detach.default", this=w)
    new(tape, "sub.Tensor", this=data, other=new(tape, "mul.Tensor", this=grad, other=0.1))

    assert expression(tape) == "w - 0.1 * w.grad"


def test_momentum_with_weight_decay_and_nesterov(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    buffer = tape.tensor(W, "momentum_buffer", "state")
    decayed = new(tape, "add.Tensor", this=grad, other=w, alpha=0.01)
    change(tape, "mul_.Tensor", this=buffer, other=0.9)
    change(tape, "add_.Tensor", this=buffer, other=decayed)
    ahead = new(tape, "add.Tensor", this=decayed, other=buffer, alpha=0.9)
    change(tape, "add_.Tensor", this=w, other=ahead, alpha=-0.1)

    assert expression(tape) == (
        "w - 0.1 * (w.grad + 0.01 * w + 0.9 * (0.9 * momentum_buffer + w.grad + 0.01 * w))"
    )


ADAM = (
    "w - 0.05 * (0.9 * exp_avg + 0.1 * w.grad)"
    " / (sqrt(0.999 * exp_avg_sq + 0.001 * w.grad ** 2) / 0.25 + 1e-08)"
)


def test_adam_in_a_loop(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    mean = tape.tensor(W, "exp_avg", "state")
    square = tape.tensor(W, "exp_avg_sq", "state")
    change(tape, "lerp_.Scalar", this=mean, end=grad, weight=1 - 0.9)
    change(tape, "mul_.Tensor", this=square, other=0.999)
    change(
        tape,
        "addcmul_.default",
        this=square,
        tensor1=grad,
        tensor2=grad,
        value=0.0010000000000000009,
    )
    root = new(tape, "sqrt.default", this=square)
    below = new(tape, "div.Tensor", this=root, other=0.25)
    change(tape, "add_.Tensor", this=below, other=1e-8)
    change(tape, "addcdiv_.default", this=w, tensor1=mean, tensor2=below, value=-0.05)

    assert expression(tape) == ADAM


def test_adam_on_lists_follows_the_element_of_the_parameter(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    def pair(name: str, role: str = "state") -> list[TensorUse]:
        return [tape.tensor(W, f"b.{name}", role), tape.tensor(W, name, role)]

    parameters = [tape.tensor(W, "b", "parameter"), w]
    grads = [tape.tensor(W, "b.grad", "gradient"), grad]
    means, squares = pair("exp_avg"), pair("exp_avg_sq")
    tape.run("_foreach_lerp_.Scalar", {"self": means, "tensors1": grads, "weight": 0.1}, *means)
    tape.run("_foreach_mul_.Scalar", {"self": squares, "scalar": 0.999}, *squares)
    tape.run(
        "_foreach_addcmul_.Scalar",
        {"self": squares, "tensor1": grads, "tensor2": grads, "value": 0.001},
        *squares,
    )
    below = [tape.tensor(W), tape.tensor(W)]
    tape.run("_foreach_sqrt.default", {"self": squares}, *below)
    tape.run("_foreach_div_.ScalarList", {"self": below, "scalars": [0.5, 0.25]}, *below)
    tape.run("_foreach_add_.Scalar", {"self": below, "scalar": 1e-8}, *below)
    tape.run(
        "_foreach_addcdiv_.ScalarList",
        {"self": parameters, "tensor1": means, "tensor2": below, "scalars": [-0.7, -0.05]},
        *parameters,
    )

    assert expression(tape) == ADAM


def test_a_fused_kernel_is_a_call(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    other = tape.tensor(W, "b", "parameter")
    mean = tape.tensor(W, role="state")
    lists = {"self": [other, w], "grads": [grad, grad], "exp_avgs": [mean, mean], "max": []}
    tape.run("_fused_adam_.default", {**lists, "lr": 0.01, "amsgrad": False}, other)

    assert expression(tape) == "_fused_adam_(w, w.grad, state1, lr=0.01, amsgrad=False)"


def test_ascent_carries_its_minus_to_the_front(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    buffer = tape.tensor(W, "buffer", "state")
    ascent = new(tape, "neg.default", this=grad)
    change(tape, "lerp_.Scalar", this=buffer, end=ascent, weight=0.1)
    change(tape, "add_.Tensor", this=w, other=buffer, alpha=-2)

    assert expression(tape) == "w - 2 * (0.9 * buffer - 0.1 * w.grad)"


def test_state_that_starts_at_zero_vanishes(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    buffer = new(tape, "zeros_like.default", this=w)
    change(tape, "mul_.Tensor", this=buffer, other=0.9)
    change(tape, "add_.Tensor", this=buffer, other=grad)
    change(tape, "sub_.Tensor", this=w, other=buffer)

    assert expression(tape) == "w - w.grad"


def test_brackets_stand_only_where_they_are_needed(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    half = new(tape, "div.Tensor", this=grad, other=2)
    step = new(tape, "sub.Tensor", this=w, other=half)
    ratio = new(tape, "div.Tensor", this=step, other=new(tape, "mul.Tensor", this=w, other=grad))
    change(tape, "sub_.Tensor", this=w, other=new(tape, "sub.Tensor", this=ratio, other=step))

    assert expression(tape) == "w - ((w - w.grad / 2) / (w * w.grad) - (w - w.grad / 2))"


def test_an_operator_without_notation_is_a_call(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    shrunk = new(tape, "softshrink.default", this=grad, lambd=0.5)
    change(tape, "sub_.Tensor", this=w, other=shrunk)
    change(tape, "clamp_.default", this=w, min=-1, max=1)

    assert expression(tape) == "clamp(w - softshrink(w.grad, 0.5), -1, 1)"


def test_a_part_of_a_parameter_is_written_in_place(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    row = new(tape, "select.int", this=w, dim=0, index=1)
    grad_row = new(tape, "select.int", this=grad, dim=0, index=1)
    change(tape, "sub_.Tensor", this=row, other=grad_row)
    again = new(tape, "select.int", this=w, dim=0, index=1)
    change(tape, "copy_.default", this=again, src=row)  # what ``w[1] -= ...`` ends with

    assert expression(tape) == "w with w[1] = w[1] - w.grad[1]"


def test_a_part_that_is_written_after_the_whole_keeps_its_name(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    change(tape, "sub_.Tensor", this=w, other=grad)
    column = new(tape, "slice.Tensor", this=w, dim=1, start=0, end=2)
    change(tape, "zero_.default", this=column)

    assert expression(tape) == "w - w.grad with w[:, :2] = 0"


def test_unnamed_state_and_scalars_without_a_name(tape: Tape, w: TensorUse) -> None:
    first, second = tape.tensor(W, role="state"), tape.tensor(W, role="state")
    rate = replace(tape.tensor(np.float32(0.01)), value=value(np.float32(0.01)))
    step = new(tape, "mul.Tensor", this=first, other=rate)
    change(tape, "sub_.Tensor", this=w, other=new(tape, "div.Tensor", this=step, other=second))

    assert expression(tape) == "w - 0.01 * state1 / state2"


def test_constants_keep_the_digits_that_matter_to_the_dtype(tape: Tape) -> None:
    wide = tape.tensor(np.float64([1.0]), "w", "parameter")
    change(tape, "mul_.Tensor", this=wide, other=1 - 0.9)

    assert expression(tape) == "0.09999999999999998 * w"


def test_repeated_squaring_does_not_double_the_text(
    tape: Tape, w: TensorUse, grad: TensorUse
) -> None:
    x = grad
    for _ in range(40):
        x = new(tape, "mm.default", this=x, mat2=x)
    change(tape, "sub_.Tensor", this=w, other=x)

    text = expression(tape)

    assert text.startswith("w - u")
    assert "u1 = w.grad @ w.grad @" in text
    assert len(text) < 5_000


def test_copying_onto_the_parameter(tape: Tape, w: TensorUse, grad: TensorUse) -> None:
    moved = new(tape, "add.Tensor", this=w, other=grad, alpha=-1)
    tape.run("copy_.default", {"self": w, "src": moved}, written(w, W))

    assert expression(tape) == "w - w.grad"


@pytest.mark.parametrize(
    ("training", "shown"),
    [
        (True, "batch_norm(x, w, b, training=True)"),
        (False, "batch_norm(x, w, b, mean, var, training=False)"),
    ],
)
def test_batch_norm_says_which_statistics_it_takes(
    tape: Tape,
    training: bool,
    shown: str,
) -> None:
    names = {"input": "x", "weight": "w", "bias": "b", "running_mean": "mean", "running_var": "var"}
    given = {key: tape.tensor(W, name, "input") for key, name in names.items()}
    new(tape, "native_batch_norm.default", **given, training=training, momentum=0.1)
    assert notation(tape.kernels[-1], lambda use: use.spec.name) == shown
