"""An optimum is claimed where a surface is a paraboloid; a bowl goes through a run's gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autograd_lens.analysis.quadratic import fit_bowl, quadratic_minimum
from autograd_lens.trace.kept import Surface

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


def surface(loss: Loss, dtype: type = np.float64, size: int = 9) -> Surface:
    """A loss over -1 <= u <= 3, 8 <= v <= 12."""
    u, v = np.linspace(-1, 3, size), np.linspace(8, 12, size)
    values = loss(u[None, :], v[:, None]).astype(dtype).astype(np.float64)
    axes = np.eye(2)
    shapes = ((), ())
    return Surface(u, v, values, np.zeros(2), axes[0], axes[1], ("w", "b"), shapes, 0)


def bowl(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.5 + (u - 1) ** 2 + 3 * (v - 10.5) ** 2 + (u - 1) * (v - 10.5)


def test_the_lowest_point_of_a_bowl() -> None:
    found = quadratic_minimum(surface(bowl))
    assert found is not None
    assert (found.u, found.v, found.loss) == pytest.approx((1, 10.5, 0.5), rel=1e-12)
    assert found.curvatures == pytest.approx(np.linalg.eigvalsh([[2, 1], [1, 6]])[::-1])


def test_float32_losses_are_judged_by_float32() -> None:
    found = quadratic_minimum(surface(bowl, np.float32))
    assert found is not None
    assert (found.u, found.v) == pytest.approx((1, 10.5), rel=1e-5)


def test_a_minimum_outside_of_the_grid_is_found() -> None:
    found = quadratic_minimum(surface(lambda u, v: (u - 9) ** 2 + (v - 10) ** 2))
    assert found is not None
    assert (found.u, found.v) == pytest.approx((9, 10))


def test_a_line_has_a_minimum_too() -> None:
    u = np.linspace(-1, 3, 9)
    loss = ((u - 2) ** 2)[None, :]
    one, zero = np.ones(1), np.zeros(1)
    found = quadratic_minimum(Surface(u, zero, loss, zero, one, zero, ("w",), ((),), 0))
    assert found is not None
    assert (found.u, found.v, found.curvatures) == (pytest.approx(2), 0.0, pytest.approx((2.0,)))


@pytest.mark.parametrize(
    "loss",
    [
        lambda u, v: bowl(u, v) + 1e-9 * u**3,
        lambda u, v: bowl(u, v) + 1e-9 * np.abs(u),
        lambda u, v: np.log(1 + bowl(u, v)),
        lambda u, v: u**2 - (v - 10) ** 2,
        lambda u, v: u + v,
        lambda u, v: u**2 + 0 * v,
        lambda u, v: 0 * u * v,
        lambda u, v: np.where(u > 0, bowl(u, v), np.nan),
        lambda u, v: np.where(u > 0, bowl(u, v), np.inf),
    ],
    ids=["cubic", "kink", "log", "saddle", "slope", "valley", "flat", "nan", "inf"],
)
def test_nothing_is_claimed_elsewhere(loss: Loss) -> None:
    assert quadratic_minimum(surface(loss)) is None


def test_a_few_points_prove_nothing() -> None:
    assert quadratic_minimum(surface(bowl, size=3)) is None


HESSIAN = np.array([[0.31, 0.47], [0.47, 1.0]])
LOWEST = np.array([2.9, 10.5])


def loss(points: np.ndarray) -> np.ndarray:
    away = points - LOWEST
    return 0.04 + np.einsum("ti,ij,tj->t", away, HESSIAN, away) / 2


def test_a_quadratic_is_found_exactly() -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    bowl = fit_bowl(points, (points - LOWEST) @ HESSIAN, loss(points))
    assert bowl is not None
    np.testing.assert_allclose(bowl.hessian, HESSIAN)
    np.testing.assert_allclose(bowl.lowest, LOWEST)
    assert bowl.floor == pytest.approx(0.04)
    assert bowl.fit == pytest.approx(1.0)
    np.testing.assert_allclose(bowl.height(points), loss(points))


def test_what_is_missing_is_left_out() -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    grads = (points - LOWEST) @ HESSIAN
    grads[3] = np.nan
    bowl = fit_bowl(points, grads, loss(points))
    assert bowl is not None
    np.testing.assert_allclose(bowl.lowest, LOWEST)


def test_a_saddle_is_no_bowl_and_three_points_are_too_few() -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert fit_bowl(points, points * [1, -1], np.zeros(20)) is None
    assert fit_bowl(points[:3], points[:3], np.zeros(3)) is None
