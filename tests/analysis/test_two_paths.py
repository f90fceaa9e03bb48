"""Two descents in one plane: what is in sight, and what leaves it."""

from __future__ import annotations

import numpy as np

from autograd_lens.analysis.two_paths import two_paths
from autograd_lens.trace.outcomes import Descent, WhatIf


def descents(changed: np.ndarray) -> WhatIf:
    """A recorded walk from (0, 0) to (1, 1), and another."""
    recorded = np.linspace([0.0, 0.0], [1.0, 1.0], 11)
    both = [
        Descent({"u": points[:, :1], "v": points[:, 1:]}, np.ones(len(points) - 1))
        for points in (recorded, changed)
    ]
    return WhatIf(0, both[0], both[1], {"lr": "1"}, {"lr": "0.1"}, "")


def test_a_path_that_stays_is_shown_whole() -> None:
    paths = two_paths(descents(np.array([[0.0, 0.0], [2.0, 1.0], [1.0, 1.5]])))
    assert not paths.left
    np.testing.assert_array_equal(paths.changed[-1], [1.0, 1.5])
    low, high = paths.window
    assert (low < 0).all()
    assert (high > [2.0, 1.5]).all()


def test_a_path_that_runs_away_is_followed_to_where_it_leaves_the_picture() -> None:
    away = np.array([[(-3.0) ** k, (-3.0) ** k] for k in range(12)])
    paths = two_paths(descents(away))
    assert paths.left
    assert len(paths.changed) < len(away)
    low, high = paths.window
    assert (high - low < 20).all()
    outside = (paths.changed[-1] < low) | (paths.changed[-1] > high)
    assert outside.any()


def test_points_that_are_not_finite_are_cut_off() -> None:
    broken = np.array([[0.0, 0.0], [0.5, 0.5], [np.inf, 1.0], [np.nan, np.nan]])
    paths = two_paths(descents(broken))
    assert paths.left
    assert np.isfinite(paths.changed).all()
    assert np.isfinite(paths.window).all()


def test_a_recorded_end_that_was_not_kept_hides_nothing_of_the_other_path() -> None:
    what = descents(np.array([[0.0, 0.0], [2.0, 1.0], [4.0, 1.5]]))
    what.recorded.values["u"][-1] = np.nan
    paths = two_paths(what)
    assert not paths.left
    np.testing.assert_array_equal(paths.changed[-1], [4.0, 1.5])


def test_directions_are_those_of_the_recorded_path_where_the_other_runs_away() -> None:
    turns = np.linspace(0, 1, 11)[:, None]
    recorded = np.concatenate([turns, turns**2, 0 * turns], axis=1)
    away = np.concatenate([recorded[:1], [[0, 0, 10.0 ** (3 * k)] for k in range(1, 9)]])
    both = [Descent({"w": points}, np.ones(len(points) - 1)) for points in (recorded, away)]
    paths = two_paths(WhatIf(0, both[0], both[1], {"lr": "9"}, {"lr": "0.1"}, ""))
    assert paths.plane.kind == "directions"
    np.testing.assert_allclose([paths.plane.first[2], paths.plane.second[2]], 0, atol=1e-12)
    assert (np.ptp(paths.window, axis=0) > 0.1).all()
    assert (np.ptp(paths.window, axis=0) < 10).all()
