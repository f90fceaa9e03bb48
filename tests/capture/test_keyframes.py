"""At which steps large parameters are kept whole."""

from __future__ import annotations

import torch

from autograd_lens.capture.keyframes import Keyframes

LARGE = torch.ones(2000)  # 8,000 bytes


def test_each_keyframe_is_twice_as_far_as_the_one_before() -> None:
    keyframes = Keyframes(lambda _value: None, budget=1 << 20)
    taken = []
    for step in range(200):
        if keyframes.due(step):
            keyframes.take(step, [LARGE])
            taken.append(step)
    assert taken == [0, 5, 10, 20, 40, 80, 160]


def test_beyond_the_budget_nothing_is_kept_by_half() -> None:
    kept: list[bytes] = []
    keyframes = Keyframes(kept.append, budget=20_000)
    for step in (0, 5, 10):
        keyframes.take(step, [LARGE, torch.zeros(500)])
    assert kept == [LARGE.numpy().tobytes()] * 2


def test_a_tensor_given_twice_is_kept_once_and_small_ones_never() -> None:
    kept: list[bytes] = []
    Keyframes(kept.append, budget=1 << 20).take(0, [LARGE, LARGE, torch.ones(3)])
    assert kept == [LARGE.numpy().tobytes()]
