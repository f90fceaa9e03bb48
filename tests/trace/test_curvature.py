"""Curvatures as a file keeps them."""

from __future__ import annotations

import math

import pytest

from autograd_lens.errors import NotATraceError
from autograd_lens.trace.kept import Curvature, Curvatures, stored_curvatures


class Kept:
    """A trace that keeps these bytes."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data

    def extra(self, key: str) -> bytes | None:
        assert key == "curvature"
        return self.data


def test_what_was_written_is_read() -> None:
    found = Curvatures((Curvature(0, 12.78, 1.2396, 0), Curvature(2000, 0.064, -0.5, 12)))
    assert stored_curvatures(Kept(found.to_bytes())) == found


def test_nothing_kept_is_not_the_same_as_nothing_known() -> None:
    unknown = Curvatures((), "It cannot be replayed.")
    assert stored_curvatures(Kept(None)) is None
    assert stored_curvatures(Kept(unknown.to_bytes())) == unknown


@pytest.mark.parametrize("data", [b"", b"{}", b'{"points": [{"step": 1}], "missing": ""}'])
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(NotATraceError, match="curvature"):
        stored_curvatures(Kept(data))


@pytest.mark.parametrize(("largest", "rate"), [(4.0, 0.5), (0.0, math.inf), (-3.0, math.inf)])
def test_the_stable_rate_is_two_over_the_curvature_where_the_loss_curves_up(
    largest: float, rate: float
) -> None:
    assert Curvature(0, 1.0, largest, 0).stable_rate == rate
