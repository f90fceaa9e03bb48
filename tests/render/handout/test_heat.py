"""Tensors as small pictures of their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.render.handout.heat import heat
from tests.support.tape import value

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"


def drawn(numbers: np.ndarray) -> tuple[list[int], list[int], tuple[int, int], float, np.ndarray]:
    """Tiles shown and all, cells of a tile, numbers of a cell, the largest, levels from -1 to 1."""
    tiles, cells, block, most, letters = heat(value(numbers.astype(np.float32))).split(" ")
    shown, all_ = map(int, tiles.split("/"))
    size = [int(each) for each in cells.split("×")]
    levels = [np.nan if one == "!" else LETTERS.index(one) / 31 - 1 for one in letters]
    down, across = map(int, block.split("×"))
    return [shown, all_], size, (down, across), float(most), np.reshape(levels, (shown, *size))


@pytest.mark.parametrize(
    "shape", [(5,), (9, 1), (3, 4), (16, 48), (2, 3, 4), (7, 1, 3, 3)], ids=str
)
def test_a_small_tensor_is_drawn_number_by_number(shape: tuple[int, ...]) -> None:
    numbers = np.random.default_rng(0).normal(size=shape)
    (shown, all_), _, block, most, levels = drawn(numbers)
    assert (shown, block) == (all_, (1, 1))
    assert most == pytest.approx(np.abs(numbers).max(), rel=1e-3)
    assert np.allclose(levels.ravel() * most, numbers.ravel(), atol=most / 60)


@pytest.mark.parametrize("shape", [(1000,), (33, 100), (64, 20, 20), (300, 2, 2)], ids=str)
def test_a_large_one_by_means_of_neighbours_whose_mean_is_the_tensors(
    shape: tuple[int, ...],
) -> None:
    numbers = np.random.default_rng(1).normal(loc=1.0, size=shape)
    (shown, all_), (rows, columns), (down, across), most, levels = drawn(numbers)
    plane = numbers.reshape(-1, *numbers.shape[-2:]) if numbers.ndim > 1 else numbers[None, None]
    assert all_ == len(plane)
    assert rows <= 16
    assert columns * shown <= 48 + shown
    first = plane[0][:down, :across].mean()
    assert levels[0, 0, 0] * most == pytest.approx(first, abs=most / 60)
    last = plane[shown - 1][(rows - 1) * down :, (columns - 1) * across :].mean()
    assert levels[-1, -1, -1] * most == pytest.approx(last, abs=most / 60)


def test_what_is_no_number_stands_out_and_hides_nothing_else() -> None:
    numbers = np.array([[1.0, np.nan, -2.0], [np.inf, 0.0, 2.0]])
    *_, most, levels = drawn(numbers)
    assert most == 2
    assert np.isnan(levels).ravel().tolist() == [False, True, False, True, False, False]
    assert levels[0, 1, 1] == 0


@pytest.mark.parametrize("numbers", [np.zeros((4, 4)), np.arange(4.0), np.ones(0)], ids=str)
def test_what_is_told_in_a_few_words_has_none(numbers: np.ndarray) -> None:
    assert heat(value(numbers.astype(np.float32))) == ""
