"""Long curves and paths in brief."""

from __future__ import annotations

import numpy as np

from autograd_lens.render.plots.style import envelope, thin_path


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
