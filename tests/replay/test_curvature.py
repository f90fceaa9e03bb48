"""Curvature of recorded losses, against what is known in closed form and by other means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autograd_lens.replay.curvature import curvature, hessian
from autograd_lens.trace.records import Step

RecordStep = Callable[..., Step]


def line(record_step: RecordStep) -> Step:
    """The linear regression of the first program, at its first step."""
    rng = np.random.RandomState(0)
    x = rng.rand(100, 1)
    y = torch.from_numpy(3 * x + 10 + rng.rand(100, 1)).float()
    inputs = torch.from_numpy(x).float()
    w1, b1 = torch.ones(1, 1, requires_grad=True), torch.ones(1, requires_grad=True)
    return record_step(lambda: torch.mean((inputs.mm(w1) + b1 - y) ** 2 / 2))


def test_the_first_programs_largest_stable_rate(record_step: RecordStep) -> None:
    found = curvature(line(record_step))
    assert found.largest == pytest.approx(1.2396, abs=5e-5)
    assert found.stable_rate == pytest.approx(1.6134, abs=5e-5)


def test_the_whole_hessian_of_a_quadratic(record_step: RecordStep) -> None:
    matrix = torch.tensor([[2.0, 0.5], [0.5, -1.0]])
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    step = record_step(lambda: w @ matrix @ w / 2)
    np.testing.assert_allclose(hessian(step), matrix.numpy(), atol=1e-12)
    assert curvature(step).gradient_norm == pytest.approx(
        float((matrix @ w.detach()).norm()), rel=1e-6
    )


def test_the_hessian_of_what_is_no_quadratic_depends_on_the_place(record_step: RecordStep) -> None:
    w = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    step = record_step(lambda: (w**4).sum() + w[0] * w[1])
    expected = np.diag([3.0, 12.0, 48.0])
    expected[0, 1] = expected[1, 0] = 1.0
    np.testing.assert_allclose(hessian(step), expected, rtol=1e-12)


def test_many_parameters_go_by_lanczos(record_step: RecordStep) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3))
    x, y = torch.randn(20, 6), torch.randint(0, 3, (20,))
    step = record_step(lambda: nn.functional.cross_entropy(model(x), y), model)
    found = curvature(step)
    values = np.linalg.eigvalsh(hessian(step))
    assert found.rounds > 0
    assert found.largest == pytest.approx(values[np.argmax(np.abs(values))], rel=1e-6)


def test_a_linear_loss_has_no_limit(record_step: RecordStep) -> None:
    w = torch.ones(3, requires_grad=True)
    found = curvature(record_step(lambda: 2 * w.sum()))
    assert found.largest == 0.0
    assert found.stable_rate == math.inf


def test_a_custom_backward_does_not_hide_the_losss_own_curvature(record_step: RecordStep) -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return 0 * ctx.saved_tensors[0] * grads[0]

    w = torch.ones(2, requires_grad=True)
    step = record_step(lambda: Cube.apply(w).sum())
    np.testing.assert_allclose(hessian(step), 6 * np.eye(2))
