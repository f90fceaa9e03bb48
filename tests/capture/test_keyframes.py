"""At which steps large parameters are kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.capture.keyframes import Keyframes
from autograd_lens.capture.recorder import Limits
from autograd_lens.capture.schedule import NEVER
from autograd_lens.trace.budget import Budget
from autograd_lens.trace.reader import Trace

LARGE = torch.ones(2000)  # 8,000 bytes
LIGHT = 6000  # bytes of a parameter that light steps keep whole


class Kept:
    """Takes what keyframes keep."""

    def __init__(self, size: int = 1 << 28) -> None:
        self.budget = Budget(size)
        self.values: dict[int, Sequence[bytes]] = {}

    def keep(self, step: int, values: Sequence[bytes]) -> None:
        self.values[step] = values
        if not values:
            del self.values[step]

    def extra(self, key: str, data: bytes) -> None:
        """What is told of them stands in the file alone."""


def run(kept: Kept, steps: int, most: int, *tensors: torch.Tensor) -> Keyframes:
    keyframes = Keyframes(kept, most, LIGHT)
    for step in range(steps):
        if step == 0 or keyframes.next(step) == step:
            keyframes.take(step, tensors or [LARGE], [])
    return keyframes


def test_keyframes_lie_at_even_distances() -> None:
    kept = Kept()
    run(kept, 31, 1 << 20)
    assert list(kept.values) == [0, 5, 10, 15, 20, 25, 30]


def test_where_the_budget_is_short_they_are_thinned_by_halves() -> None:
    kept = Kept()
    keyframes = run(kept, 200, 5 * LARGE.nbytes)
    assert list(kept.values) == [0, 40, 80, 120, 160]
    assert keyframes.next(161) == 200


def test_the_first_one_stays_whatever_its_size() -> None:
    kept = Kept()
    run(kept, 50, 100)
    assert list(kept.values) == [0]


def test_beyond_the_budget_of_the_file_there_is_none() -> None:
    kept = Kept(size=4000)
    run(kept, 50, 1 << 20)
    assert not kept.values


def test_a_tensor_given_twice_is_kept_once_and_small_ones_never() -> None:
    kept = Kept()
    run(kept, 1, 1 << 20, LARGE, LARGE, torch.ones(3))
    assert kept.values == {0: [LARGE.numpy().tobytes()]}


def test_where_light_steps_hold_everything_there_is_none() -> None:
    kept = Kept()
    keyframes = run(kept, 1, 1 << 20, torch.ones(1400))
    assert not kept.values
    assert keyframes.next(1) == NEVER


def test_between_full_steps_a_keyframe_is_recorded_lean(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, x = nn.Linear(40, 40), torch.randn(8, 40)
    optimizer = torch.optim.Adam(net.parameters())
    with lens.record(tmp_path / "run.lens", limits=Limits(light=256)):
        for _ in range(33):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    with Trace(tmp_path / "run.lens") as trace:
        assert trace.full_steps == (0, 1, 2, 5, 10, 20)
        assert trace.lean_steps == (15, 25, 30)
        assert trace.extra("keyframes") == b"[0, 5, 10, 15, 20, 25, 30]"
        steps = lens.open(tmp_path / "run.lens").steps
        assert [steps[step].provenance for step in (13, 19, 32)] == ["proved"] * 3
