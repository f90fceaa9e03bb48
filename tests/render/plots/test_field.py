"""A surface made ready to be coloured."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.render.plots.field import make_field
from autograd_lens.trace.kept import Surface


def surface(loss: np.ndarray) -> Surface:
    rows, columns = loss.shape
    u, v = np.linspace(0, 1, columns), np.linspace(0, 10, rows)
    axes = np.eye(2)
    return Surface(u, v, loss, np.zeros(2), axes[0], axes[1], ("w", "b"), ((), ()), 0)


def plane_of(low: float, high: float) -> Surface:
    return surface(np.linspace(low, high, 30).reshape(5, 6))


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        (1, 10, False),
        (1, 100, True),
        (0, 1, True),
        (-1, 100, False),
        (5, 5, False),
        (3e28, 3e28, False),
        (1, 1 + 1e-15, False),
    ],
)
def test_the_range_decides_the_scale(low: float, high: float, log: bool) -> None:
    field = make_field(plane_of(low, high))
    assert field is not None
    assert field.log is log
    assert (np.diff(field.levels) > 0).all()
    assert field.levels[0] <= field.height.min() <= field.height.max() <= field.levels[-1]


def test_the_scale_can_be_asked_for() -> None:
    field = make_field(plane_of(1, 10), log=True)
    assert field is not None
    assert field.log


def test_a_perfect_fit_takes_eight_decades_and_no_more() -> None:
    field = make_field(plane_of(0, 1))
    assert field is not None
    assert np.ptp(field.levels) <= 8


def test_holes_are_left_open() -> None:
    loss = np.ones((4, 4)) * np.arange(1, 5)
    loss[0, 0], loss[1, 1] = np.nan, np.inf
    field = make_field(surface(loss))
    assert field is not None
    assert field.holes
    assert np.argwhere(np.isnan(field.height)).tolist() == [[0, 0], [1, 1]]


def test_a_surface_that_is_nowhere_finite_has_no_field() -> None:
    assert make_field(surface(np.full((3, 3), np.nan))) is None


def test_heights_along_a_path_are_bilinear() -> None:
    u, v = np.meshgrid(np.linspace(0, 1, 6), np.linspace(0, 10, 5))
    field = make_field(surface(2 * u + 0.3 * v + 5))
    assert field is not None
    path = np.array([[0.11, 3.3], [0.5, 9.0], [1.0, 10.0], [1.1, 3.0], [np.nan, 0.0]])
    expected = [2 * 0.11 + 0.99 + 5, 8.7, np.nan, np.nan, np.nan]
    found = field.along(path)
    np.testing.assert_allclose(found[:2], expected[:2])
    assert found[2] == pytest.approx(field.levels[-1])
    assert np.isnan(found[3:]).all()
