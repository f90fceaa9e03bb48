"""Sizes on a tape follow from the size of the batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.replay.sizes import expanded, fitted, viewed


@pytest.mark.parametrize(
    ("before", "after", "now", "expected"),
    [
        ([16, 8, 4], [128, 4], [5, 8, 4], [40, 4]),
        ([128, 4], [16, 8, 4], [40, 4], [5, 8, 4]),
        ([16, 8, 12], [16, 8, 3, 4], [5, 8, 12], [5, 8, 3, 4]),
        ([16, 1], [16], [5, 1], [5]),
        ([16], [16, 1], [5], [5, 1]),
        ([16, 16, 4], [256, 4], [16, 5, 4], [80, 4]),
        ([4, 16], [64], [4, 5], [20]),
        ([64], [4, 16], [20], [4, 5]),
        ([1, 16], [16], [1, 5], [5]),
        ([16, 3], [1, 16, 3], [5, 3], [1, 5, 3]),
        ([6], [2, 3], [5], None),
    ],
)
def test_a_view_merges_and_splits_as_it_did(
    before: list[int], after: list[int], now: list[int], expected: list[int] | None
) -> None:
    assert viewed(before, after, now) == expected


def test_an_expansion_repeats_what_was_repeated() -> None:
    assert expanded([16, 1], [16, 7], [5, 1]) == [5, 7]
    assert expanded([16, 1], [2, 16, 7], [5, 1]) == [2, 5, 7]


def test_only_operators_that_take_sizes_are_fitted() -> None:
    assert fitted("aten.view.default", [4, 2], [8], [3, 2]) == [6]
    assert fitted("aten.expand.default", [4, 1], [4, 2], [3, 1]) == [3, 2]
    assert fitted("aten.mul.Tensor", [4, 2], [4, 2], [3, 2]) is None
    assert fitted("aten.view.default", [4, 2], [8], [4, 2]) is None
    assert fitted("aten.view.default", [4, 2], [8], [4]) is None


@given(
    rows=st.integers(1, 9),
    other=st.integers(1, 9),
    rest=st.lists(st.integers(1, 5), max_size=4),
    merged=st.integers(1, 5),
)
def test_merging_leading_dimensions_fits_every_batch(
    rows: int, other: int, rest: list[int], merged: int
) -> None:
    """And so does the way back, where the other sizes are the same."""
    before, now = [rows, *rest], [other, *rest]
    merged = min(merged, len(before))

    def joined(shape: list[int]) -> list[int]:
        return [int(np.prod(shape[:merged])), *shape[merged:]]

    assert viewed(before, joined(before), now) == joined(now)
    assert viewed(joined(before), before, joined(now)) == now
