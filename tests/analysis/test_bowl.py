"""The bowl through a run's gradients is the least-squares surface itself."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.analysis.quadratic import fit_bowl

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
