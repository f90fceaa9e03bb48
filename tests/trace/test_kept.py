"""A loss surface and curvatures as a file keeps them."""

from __future__ import annotations

import dataclasses
import json
import math
import struct

import numpy as np
import pytest

from autograd_lens.errors import NotATraceError
from autograd_lens.trace.kept import Curvature, Curvatures, Surface, stored_curvatures

MAGIC = b"LENSURF1"


def bowl() -> Surface:
    """u**2 + v**2 over the plane of layer.weight[0,1] and layer.bias[0]."""
    u, v = np.linspace(-1, 1, 5), np.linspace(0, 2, 3)
    loss = u[None, :] ** 2 + v[:, None] ** 2
    loss[0, 0] = np.nan
    return Surface(
        u=u,
        v=v,
        loss=loss,
        origin=np.array([7.0, 0.0, 0.0]),
        first=np.array([0.0, 1.0, 0.0]),
        second=np.array([0.0, 0.0, 1.0]),
        names=("layer.weight", "layer.bias"),
        shapes=((1, 2), (1,)),
        step=3,
        provenance="evaluated with the batch of step 3",
    )


def packed(header: object, numbers: int) -> bytes:
    text = json.dumps(header).encode()
    return MAGIC + struct.pack("<I", len(text)) + text + bytes(8 * numbers)


def test_bytes_give_back_every_field() -> None:
    before = bowl()
    after = Surface.from_bytes(before.to_bytes())
    for field in dataclasses.fields(Surface):
        left, right = getattr(before, field.name), getattr(after, field.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right
    assert after.to_bytes() == before.to_bytes()


def test_a_point_of_the_plane_is_a_set_of_parameters() -> None:
    parameters = bowl().parameters(0.25, -2.0)
    assert list(parameters) == ["layer.weight", "layer.bias"]
    np.testing.assert_array_equal(parameters["layer.weight"], [[7.0, 0.25]])
    np.testing.assert_array_equal(parameters["layer.bias"], [-2.0])


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"loss must be float64 of shape \(3, 5\)"):
        dataclasses.replace(bowl(), loss=np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"origin must be float64 of shape \(3,\)"):
        dataclasses.replace(bowl(), origin=np.zeros(2))


GOOD = {"names": ["w"], "shapes": [[]], "size": [1, 1], "step": 0, "provenance": ""}


def test_the_hand_made_header_is_a_good_one() -> None:
    assert Surface.from_bytes(packed(GOOD, 6)).loss.shape == (1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"LENSURF1",
        b"something else entirely, and long enough to be a header",
        MAGIC + struct.pack("<I", 2**32 - 1) + b"{}",
        MAGIC + struct.pack("<I", 4) + b"\xff\xff{}",
        packed([], 6),
        packed({}, 6),
        packed(GOOD, 5),
        packed(GOOD | {"size": [1 << 62, 1 << 62]}, 6),
        packed(GOOD | {"size": [-1, 1]}, 6),
        packed(GOOD | {"size": [True, 1]}, 6),
        packed(GOOD | {"size": [1, 1, 1]}, 6),
        packed(GOOD | {"names": ["w", "b"]}, 6),
        packed(GOOD | {"names": [3]}, 6),
        packed(GOOD | {"shapes": [[1.0]]}, 6),
        packed(GOOD | {"step": None}, 6),
        MAGIC + struct.pack("<I", 60_000) + b"[" * 60_000,
    ],
)
def test_strange_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(NotATraceError, match="its loss surface cannot be"):
        Surface.from_bytes(data)


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
