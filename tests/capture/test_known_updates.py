"""Updates whose kernels are known run unseen, and every step is proved as if they had been seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import autograd_lens as lens
from autograd_lens.replay.donors import Donors
from autograd_lens.replay.verify import verify

STEPS = 40
LOST = 25  # a step
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "foreach": lambda p: torch.optim.AdamW(p, 0.01, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, centered=True),
}
Turn = Callable[[int, nn.Module, torch.optim.Optimizer], None]


def nothing(_step: int, _model: nn.Module, _optimizer: torch.optim.Optimizer) -> None:
    """Every step is like the others."""


def train(make: Callable[[Any], torch.optim.Optimizer], turn: Turn = nothing) -> list[torch.Tensor]:
    torch.manual_seed(1)
    data, model = torch.randn(100, 6), nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 1))
    optimizer = make(model.parameters())
    for step in range(STEPS):
        x = data[step : step + 7]  # a batch cut by hand
        wanted = data[step + 1 : step + 8].sum(1, keepdim=True)  # saved by no node: a tape is kept
        loss = (model(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        turn(step, model, optimizer)
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def recorded(
    path: Path, make: Callable[[Any], torch.optim.Optimizer], turn: Turn = nothing
) -> set[int]:
    """Record it, prove every step, and tell which updates were unseen."""
    bare = train(make, turn)
    with lens.record(path):
        watched = train(make, turn)
    assert all(map(torch.equal, bare, watched))
    with lens.open(path) as trace:
        assert len(trace.steps) == STEPS
        for check in verify(trace, range(STEPS)).checks:
            assert not check.mismatches
            assert not check.skipped
        donors = Donors(trace)
        return {step for step in trace.lean_steps if next(donors.of(step)).unseen}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_like_those_before_are_not_seen_and_proved(tmp_path: Path, name: str) -> None:
    unseen = recorded(tmp_path / "run.lens", OPTIMIZERS[name])
    assert set(range(11, 19)) | set(range(21, STEPS - 1)) <= unseen


def other_rate(step: int, _model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)


def decay_later(step: int, _model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["weight_decay"] = 0.1 if step > 25 else 0.0


def leave_one_out(step: int, model: nn.Module, _optimizer: torch.optim.Optimizer) -> None:
    if step % 9 == 7:
        model.get_parameter("0.bias").grad = None


def clip(_step: int, model: nn.Module, _optimizer: torch.optim.Optimizer) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)


@pytest.mark.parametrize("turn", [other_rate, decay_later, leave_one_out, clip])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_an_update_that_goes_otherwise_is_seen_again(tmp_path: Path, name: str, turn: Turn) -> None:
    unseen = recorded(tmp_path / "run.lens", OPTIMIZERS[name], turn)
    assert unseen
    if turn is decay_later:
        assert unseen.isdisjoint({26, 27})
    if turn is leave_one_out:
        assert unseen.isdisjoint({16, 25, 34})


def test_what_hooks_of_the_program_do_in_an_update_is_seen(tmp_path: Path) -> None:
    def halve(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad.mul_(0.5)

    def hooked(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        optimizer = torch.optim.Adam(parameters, 0.01)
        optimizer.register_step_pre_hook(halve)
        return optimizer

    assert not recorded(tmp_path / "run.lens", hooked)


def test_an_update_that_raises_leaves_the_program_as_it_would(tmp_path: Path) -> None:
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.1, momentum=0.5)
    data = torch.arange(90.0).reshape(30, 3)
    raised = 0
    with lens.record(tmp_path / "run.lens"):
        for step in range(30):
            optimizer.zero_grad()
            (w * data[step]).sum().backward()
            if step == 20:
                optimizer.state[w]["momentum_buffer"] = torch.ones(2)
            try:
                optimizer.step()
            except RuntimeError:
                raised += 1
                optimizer.state.clear()
    assert raised == 1
    with lens.open(tmp_path / "run.lens") as trace:
        checks = verify(trace, range(30)).checks
    assert not any(check.mismatches for check in checks)
    assert checks[0].steps >= 27


def test_an_update_ends_also_in_a_step_whose_beginning_is_lost(
    tmp_path: Path,
) -> None:
    def lose(step: int, _model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if step == LOST:
            full = run._recorder._full
            assert full.on
            full._whole = False
            optimizer.step()
            assert full._updates._running is None
            assert len(_get_current_dispatch_mode_stack()) == 1

    with lens.record(tmp_path / "run.lens") as run:
        train(OPTIMIZERS["adam"], lose)
