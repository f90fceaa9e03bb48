"""Two descents on one map: each line in sight, whatever the other does."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.analysis.two_paths import two_paths
from autograd_lens.render.plots.whatif import whatif_figure
from tests.analysis.test_two_paths import descents


@pytest.mark.parametrize(("reach", "dotted"), [(1.5, True), (60.0, False)], ids=str)
def test_points_have_a_rim_only_where_it_leaves_the_line_in_sight(
    reach: float, *, dotted: bool
) -> None:
    """Eleven points of a walk from (0, 0) to (1, 1), beside a walk that goes so far."""
    what = descents(np.array([[0.0, 0.0], [reach, -reach], [-reach, reach / 2], [1.0, 1.0]]))
    axes = whatif_figure(what, two_paths(what), None).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert any(len(line.get_xdata()) == 11 for line in dots) is dotted
