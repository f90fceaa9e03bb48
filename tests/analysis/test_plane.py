"""The plane that a path is drawn on."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.analysis.plane import Plane, find_plane, grid
from autograd_lens.errors import NotRecordedError, SelectionError
from tests.support.path_run import PathRun


def descent(points: int, *targets: float) -> np.ndarray:
    """A path that comes halfway nearer to the targets at each step: (points, targets)."""
    return (np.array(targets) * (1 - 0.5 ** np.arange(points))[:, None]).astype(np.float32)


def on_plane(plane: Plane) -> np.ndarray:
    """The path's points, as points of the plane: (points, elements)."""
    return plane.origin + plane.path @ np.stack([plane.first, plane.second])


def test_two_numbers_are_their_own_plane() -> None:
    run = PathRun({"w1": descent(5, 3)[..., None], "b1": descent(5, 10)})
    plane = find_plane(run)
    assert (plane.kind, plane.labels, plane.notes) == ("parameters", ("w1", "b1"), ())
    np.testing.assert_array_equal(plane.path[:, 1], run.values["b1"][:, 0])
    np.testing.assert_array_equal(plane.origin, [0, 0])


def test_two_numbers_of_one_parameter() -> None:
    plane = find_plane(PathRun({"w": descent(3, 1, 2)}))
    assert (plane.kind, plane.labels) == ("parameters", ("w[0]", "w[1]"))


def test_named_scalars_hold_all_others_at_the_end() -> None:
    run = PathRun({"w": descent(4, 1, 2, 3), "b": descent(4, 8)})
    plane = find_plane(run, "b,w[1]")
    assert (plane.kind, plane.labels) == ("scalars", ("b", "w[1]"))
    np.testing.assert_allclose(plane.origin, [0.875, 0, 2.625, 0])
    np.testing.assert_allclose(
        on_plane(plane)[:, [1, 3]], np.c_[run.values["w"][:, 1], run.values["b"]]
    )
    assert "holds all other parameters" in plane.notes[0]


def test_a_plane_goes_through_the_step_that_is_asked_for() -> None:
    run = PathRun({"w": descent(4, 1, 2, 3), "b": descent(4, 8)})
    plane = find_plane(run, "b,w[1]", through=1)
    np.testing.assert_allclose(plane.origin, [0.5, 0, 1.5, 0])
    assert plane.notes == ("The surface holds all other parameters as they were in step 1.",)
    np.testing.assert_allclose(find_plane(run, through=2).path[2], 0, atol=1e-9)


def test_a_path_that_runs_away_is_drawn_as_far_as_its_start_can_be_seen() -> None:
    w1 = ((-5.0) ** np.arange(20))[:, None]
    plane = find_plane(PathRun({"w1": w1, "b1": w1 / 2}))
    np.testing.assert_array_equal(plane.path[:4, 0], [1, -5, 25, -125])
    assert np.isnan(plane.path[4:]).all()
    assert plane.notes == (
        "After step 3 the path is more than 30 times as far out as at first, and not drawn.",
    )


def test_a_path_that_goes_far_is_drawn_whole() -> None:
    w1 = np.linspace(0, 1000, 30)[:, None]
    plane = find_plane(PathRun({"w1": w1, "b1": w1 / 2}))
    assert (len(plane.path), plane.notes) == (30, ())
    assert np.isfinite(plane.path).all()


def test_main_directions_can_be_asked_for() -> None:
    run = PathRun({"w1": descent(5, 3)[..., None], "b1": descent(5, 10)})
    plane = find_plane(run, "directions")
    assert plane.kind == "directions"
    np.testing.assert_allclose(plane.first, np.array([3, 10]) / 109**0.5, rtol=1e-6)


def test_more_numbers_are_drawn_in_their_main_directions() -> None:
    random = np.random.RandomState(0)
    one, other = np.linalg.qr(random.randn(40, 2))[0].T
    u, v = np.cos(np.arange(60) / 9) * 5, np.sin(np.arange(60) / 9)
    points = 100 + np.outer(u, one) + np.outer(v, other)
    plane = find_plane(PathRun({"a": points[:, :30].reshape(60, 5, 6), "b": points[:, 30:]}))
    assert plane.kind == "directions"
    np.testing.assert_allclose(on_plane(plane), points)
    np.testing.assert_allclose(plane.path[-1], 0, atol=1e-9)  # the origin is the path's end
    variance = np.var(u), np.var(v)
    share = max(variance) / sum(variance)
    assert plane.labels[0].startswith("first direction of the path (9")
    assert f"{share:.1%}"[:3] in plane.labels[0]


@pytest.mark.parametrize(("points", "elements"), [(2000, 40), (40, 2000), (1500, 1500)])
def test_long_and_wide_paths_agree_with_the_full_decomposition(points: int, elements: int) -> None:
    random = np.random.RandomState(1)
    shape = np.array([3.0, 1.0, 0.01])
    path = (random.randn(points, 3) * shape) @ random.randn(3, elements)
    plane = find_plane(PathRun({"w": path}))
    _, sizes, directions = np.linalg.svd(path - path.mean(0), full_matrices=False)
    subsampled = min(points, elements) > 1024
    # Where only a part of the points is looked at, the directions are nearly those of all.
    least = 0.99 if subsampled else 1 - 1e-9
    assert abs(plane.first @ directions[0]) > least
    assert abs(plane.second @ directions[1]) > least
    exact = sizes[0] ** 2 / (sizes**2).sum()
    shown = float(plane.labels[0].partition("(")[2].partition("%")[0]) / 100
    assert shown == pytest.approx(exact, abs=0.02 if subsampled else 6e-4)
    assert any("1,024 of the path's 1,500" in note for note in plane.notes) == subsampled


def test_a_straight_path_gets_a_second_direction() -> None:
    plane = find_plane(PathRun({"w": descent(6, 1, 2, 2)}))
    np.testing.assert_allclose(np.abs(plane.first), [1 / 3, 2 / 3, 2 / 3], rtol=1e-6)
    assert plane.first @ plane.second == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(plane.second) == pytest.approx(1)
    assert plane.labels[1] == "second direction (0.0%)"


def test_a_path_that_never_moves() -> None:
    plane = find_plane(PathRun({"w": np.full((9, 3), 7.0)}))
    np.testing.assert_array_equal(plane.path, 0)
    assert "never move" in plane.notes[0]
    u, v = grid(plane, 5)
    assert (np.diff(u) > 0).all()
    assert (np.diff(v) > 0).all()


def test_one_number_is_a_line() -> None:
    plane = find_plane(PathRun({"w": descent(4, 8)}))
    assert (plane.kind, plane.labels) == ("line", ("w", ""))
    u, v = grid(plane, 7)
    assert u[0] < 0
    assert u[-1] > 7
    assert v.tolist() == [0.0]


def test_no_step_yet_is_one_point() -> None:
    plane = find_plane(PathRun({"w1": np.ones((1, 1, 1)), "b1": np.ones((1, 1))}))
    np.testing.assert_array_equal(plane.path, [[1, 1]])
    assert len(grid(plane, 3)[0]) == 3


def test_points_with_nan_are_gaps() -> None:
    values = descent(6, 1, 2, 4)
    values[4:] = np.nan
    values[3, 0] = np.inf
    plane = find_plane(PathRun({"w": values}))
    assert np.isfinite(plane.path).all(axis=1).tolist() == [True] * 3 + [False] * 3
    np.testing.assert_allclose(plane.origin, values[2])
    assert plane.notes == (
        "3 of 6 points are not finite (the first after step 2) and are not on the path.",
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_run_that_is_never_finite_can_still_be_placed(bad: float) -> None:
    plane = find_plane(PathRun({"w": np.array([[1.0, bad, 2.0]] * 3)}))
    assert np.isnan(plane.path).all()
    assert np.isfinite(plane.origin).all()
    assert np.isfinite(grid(plane, 3)[0]).all()


def test_parameters_that_come_later_stand_still_until_then() -> None:
    late = descent(5, 8)
    late[:2] = np.nan
    run = PathRun({"w": descent(5, 1, 2), "late": late}, first_steps={"late": 2})
    assert np.isfinite(find_plane(run).path).all()


def test_what_was_not_kept_is_left_out_and_said() -> None:
    run = PathRun({"w": descent(3, 1, 2), "huge": np.full((3, 4), np.nan, np.float32)})
    plane = find_plane(run)
    assert (plane.kind, plane.names) == ("parameters", ("w",))
    assert plane.notes == ("Left out, as no real values were kept: huge.",)
    with pytest.raises(NotRecordedError, match="there is no path"):
        find_plane(PathRun({"huge": run.values["huge"]}))


def test_unknown_axes_are_refused() -> None:
    with pytest.raises(SelectionError, match="no parameter 'c'"):
        find_plane(PathRun({"w": descent(3, 1, 2)}), "w[0],c")


def test_the_grid_covers_the_path_and_what_is_to_be_seen() -> None:
    plane = find_plane(PathRun({"w": descent(3, 1, 2)}))
    u, v = grid(plane, 11, include=(5.0, -4.0))
    assert (u[0] < 0, u[-1] > 5) == (True, True)
    assert (v[0] < -4, v[-1] > 1.5) == (True, True)
