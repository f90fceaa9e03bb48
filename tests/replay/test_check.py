"""How far a tensor is from its recorded bytes is told, and where."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from autograd_lens.replay.check import Difference, compare


def test_the_largest_difference_and_its_place_are_told() -> None:
    recorded = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    live = torch.tensor([[1.0, 2.5, 3.0], [4.0, 3.0, 6.0]])
    assert compare("w", recorded.tobytes(), live) == Difference("w", 2.0, (1, 1))


def test_complex_numbers_are_told_apart_by_their_imaginary_parts() -> None:
    recorded = np.array([1 + 1j, 2], np.complex64)
    found = compare("w", recorded.tobytes(), torch.tensor([1 + 4j, 2]))
    assert found == Difference("w", 3.0, (0,))


def test_what_became_nan_is_farther_than_anything() -> None:
    recorded = np.array([1, 2, 3], np.float32)
    found = compare("w", recorded.tobytes(), torch.tensor([9.0, math.nan, 3.0]))
    assert found.where == (1,)
    assert math.isnan(found.by)


@pytest.mark.parametrize("elements", [1, 3], ids=["fewer", "more"])
def test_another_number_of_elements_has_no_place(elements: int) -> None:
    recorded = np.zeros(elements, np.float32).tobytes()
    found = compare("w", recorded, torch.zeros(2))
    assert math.isnan(found.by)
    assert found.where is None


def test_a_gradient_that_is_not_there_any_more_has_no_place() -> None:
    found = compare("w.grad", b"\0\0\0\0", None)
    assert math.isnan(found.by)
    assert found.where is None
