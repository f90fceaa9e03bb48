"""Kernels in textbook notation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lens.trace.expression import notation, results
from autograd_lens.trace.records import Constant, TensorUse
from tests.support.linear_step import Tape, linear_step

A = np.zeros((2, 2), np.float32)


def name_of(use: TensorUse) -> str:
    return use.spec.name or f"t{use.tensor}"


def test_the_forward_of_the_linear_regression() -> None:
    forward = [kernel for kernel in linear_step().kernels if kernel.phase == "forward"]

    lines = [f"{notation(kernel, name_of)} → {results(kernel, name_of)}" for kernel in forward]

    assert lines == [
        "x @ w1 → t2",
        "t2 + b1 → t4",
        "t4 - y → t6",
        "t6² → t7",
        "t7 / 2 → t8",
        "mean(t8) → loss",
    ]


@pytest.fixture
def tape() -> Tape:
    return Tape()


def written(tape: Tape, op: str, **inputs: Any) -> str:
    tape.run(op, {"self": tape.tensor(A, "x")} | inputs, tape.tensor(A))
    return notation(tape.kernels[-1], name_of)


@pytest.mark.parametrize(
    ("op", "inputs", "text"),
    [
        ("t.default", {}, "xᵀ"),
        ("sqrt.default", {}, "√x"),
        ("neg.default", {}, "-x"),
        ("relu_.default", {}, "relu(x)"),
        ("mul.Tensor", {"other": 0.5}, "0.5 * x"),
        ("rsub.Scalar", {"other": 1}, "1 - x"),
        ("pow.Tensor_Scalar", {"exponent": 3.0}, "x³"),
        ("pow.Tensor_Scalar", {"exponent": -0.5}, "x⁻⁰·⁵"),
        ("pow.Tensor_Scalar", {"exponent": 0.3333}, "x ** 0.3333"),
        ("mean.dim", {"dim": [0], "keepdim": True}, "mean(x, dim=0, keepdim=True)"),
        ("sum.dim_IntList", {"dim": [0, 1], "keepdim": False}, "sum(x, dim=[0, 1])"),
        ("_softmax.default", {"dim": -1, "half_to_float": False}, "softmax(x, dim=-1)"),
        ("clone.default", {"memory_format": Constant("memory_format", "preserve")}, "x"),
        ("native_dropout.default", {"p": 0.1, "train": True}, "dropout(x, p=0.1, train=True)"),
    ],
)
def test_operators(tape: Tape, op: str, inputs: dict[str, Any], text: str) -> None:
    assert written(tape, op, **inputs) == text


def test_a_linear_layer(tape: Tape) -> None:
    bias, x, weight = (tape.tensor(A, name) for name in ("b", "x", "Wᵀ"))
    tape.run("addmm.default", {"self": bias, "mat1": x, "mat2": weight}, tape.tensor(A))

    assert notation(tape.kernels[0], name_of) == "b + x @ Wᵀ"


def test_a_list_of_tensors(tape: Tape) -> None:
    parts = [tape.tensor(A, "a"), tape.tensor(A, "b")]
    tape.run("cat.default", {"tensors": parts, "dim": 1}, tape.tensor(A))

    assert notation(tape.kernels[0], name_of) == "cat([a, b], dim=1)"


def test_several_results_have_commas(tape: Tape) -> None:
    x = tape.tensor(A, "x")
    tape.run("max.dim", {"self": x, "dim": 1}, tape.tensor(A), tape.tensor(A))

    assert notation(tape.kernels[0], name_of) == "max(x, dim=1)"
    assert results(tape.kernels[0], name_of) == "t1, t2"


def test_a_kernel_without_result(tape: Tape) -> None:
    tape.run("_local_scalar_dense.default", {"self": tape.tensor(A, "loss")}, tape.tensor(A))

    assert notation(tape.kernels[0], name_of) == "_local_scalar_dense(loss)"
