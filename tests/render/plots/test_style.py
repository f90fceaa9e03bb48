"""Numbers and axes as readers write them, long curves and paths in brief."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autograd_lens.render.plots.style import (
    CURVES,
    PATH,
    SURFACE,
    envelope,
    log_axis,
    new_figure,
    number,
    number_in,
    thin_path,
    value_axis,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.050687, "3.051"),
        (-0.2934289, "−0.2934"),
        (0.0, "0"),
        (5000.0, "5,000"),
        (1234.5, "1,234"),
        (12_345.0, "12,345"),
        (1.2e-7, "1.2e−7"),
        (3e9, "3e9"),
        (-4e5, "−4e5"),
        (float("nan"), "nan"),
        (float("-inf"), "−inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_numbers_that_are_close_are_told_apart() -> None:
    assert [number_in(x, 1000, 1001) for x in (1000.25, 1000.5)] == ["1,000.25", "1,000.5"]
    assert number_in(1e-20, -1, 1) == "0"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.001, 1000, {"0.01", "0.1", "1", "10", "100"}),
        (1, 9, {"1", "2", "3", "5"}),
        (1e-9, 1e-6, {"$10^{-8}$", "$10^{-7}$"}),
        (10, 11, {"10.25", "10.5", "10.75"}),
    ],
)
def test_logarithmic_axes_have_labels_whatever_their_range(
    low: float, high: float, shown: set[str]
) -> None:
    axes = new_figure(4, 3).add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_axis(axes.yaxis)
    assert shown <= {label.get_text() for label in axes.get_yticklabels()}


def test_value_axes_write_numbers_out() -> None:
    axes = new_figure(4, 3).add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set_xlim(100_000.0, 100_001.0)
    value_axis(axes.xaxis, 4)
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert len(set(texts)) == len(texts)
    assert "100,000.5" in texts


@pytest.mark.parametrize(("ramp", "rises"), [(PATH, True), (SURFACE, False)])
def test_ramps_survive_a_greyscale_print(ramp: object, rises: bool) -> None:
    grey = ramp(np.linspace(0, 1, 64))[:, :3] @ [0.299, 0.587, 0.114]
    steps = np.diff(grey)
    assert (steps > 0).all() if rises else (steps < 0).all()


def test_no_two_curves_look_alike() -> None:
    assert len(set(CURVES)) == len(CURVES)
    assert all(one[1] != other[1] for one, other in itertools.pairwise(CURVES))


def test_short_curves_are_drawn_as_they_are() -> None:
    assert envelope(np.zeros(400), bins=100) is None


def test_a_single_spike_stays_visible() -> None:
    values = np.linspace(0, 1, 50_001)
    values[31_234] = 99.0
    brief = envelope(values, bins=100)
    assert brief is not None
    assert len(brief.x) <= 101
    assert brief.high.max() == 99.0
    assert (brief.middle.max() <= 1, brief.low.min()) == (True, 0.0)
    assert abs(brief.x[np.argmax(brief.high)] - 31_234) < 501
    assert (np.diff(brief.x) > 0).all()


def test_gaps_stay_gaps() -> None:
    values = np.ones(10_000)
    values[2_000:6_000] = np.nan
    brief = envelope(values, bins=100)
    assert brief is not None
    inside = (brief.x > 2_100) & (brief.x < 5_900)
    assert np.isnan(brief.middle[inside]).all()
    assert (brief.middle[~inside & ((brief.x < 1_900) | (brief.x > 6_100))] == 1).all()


def test_a_path_keeps_its_corners() -> None:
    """A path that jumps once, far, and then hardly moves."""
    points = np.zeros((100_000, 2))
    points[50:] = 5.0
    points[:, 0] += np.arange(100_000) * 1e-9
    chosen = thin_path(points, most=500)
    assert len(chosen) <= 500
    assert (chosen[0], chosen[-1]) == (0, 99_999)
    assert {49, 50} & set(chosen.tolist())
    assert (np.diff(chosen) > 0).all()


def test_a_path_with_gaps_or_without_motion_is_thinned_too() -> None:
    still = np.ones((10_000, 2))
    still[5_000:] = np.nan
    assert 100 < len(thin_path(still, most=300)) <= 300
