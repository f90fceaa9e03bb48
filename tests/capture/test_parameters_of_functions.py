"""Parameters that a function drops when it returns are known up to their last value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens

Train = Callable[[], dict[str, torch.Tensor]]


def by_optimizer() -> dict[str, torch.Tensor]:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).pow(2).sum().backward()
        optimizer.step()
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def by_hand() -> dict[str, torch.Tensor]:
    w = torch.ones(2, requires_grad=True)
    for _ in range(3):
        (w * w).sum().backward()
        w.data -= 0.1 * w.grad
        w.grad.zero_()
    return {"w": w.detach().clone()}


def large() -> dict[str, torch.Tensor]:
    w = torch.ones(30_000, requires_grad=True)
    for _ in range(3):
        (w * w).sum().backward()
        w.data -= 0.1 * w.grad
        w.grad = None
    return {"w": w.detach().clone()}


@pytest.mark.parametrize("train", [by_optimizer, by_hand, large])
def test_the_state_at_the_end_is_that_of_the_last_update(train: Train, tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens", full="none"):
        expected = train()
    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[2]
        for name, tensor in expected.items():
            after = step.parameters[name].after
            assert after is not None
            if after.complete:
                assert after.array.tolist() == tensor.tolist()
            else:
                assert after.norm == pytest.approx(float(tensor.norm()), rel=1e-5)
        assert {update.parameter for update in step.updates} == set(expected)


def test_of_their_last_gradients_nothing_is_claimed(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens", full="none"):
        by_optimizer()
    with lens.open(tmp_path / "run.lens") as trace:
        first, last = trace.steps[0], trace.steps[2]
    assert [one.zeroed for one in first.parameters.values()] == [True, True]
    assert [one.zeroed for one in last.parameters.values()] == [None, None]
    assert last.zero_grads == ()


def test_memory_that_was_put_in_its_place_unseen_is_not_read(tmp_path: Path) -> None:
    def train() -> None:
        w = torch.ones(2, requires_grad=True)
        for _ in range(3):
            (w * w).sum().backward()
            w.data = w.data - 0.1 * w.grad

    with lens.record(tmp_path / "run.lens", full="none"):
        train()
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.steps[2].parameters["w"].after is None


def test_a_parameter_dies_when_it_would_have(tmp_path: Path) -> None:
    import weakref

    with lens.record(tmp_path / "run.lens", full="none"):
        w = torch.ones(2, requires_grad=True)
        reference = weakref.ref(w)
        (w * w).sum().backward()
        del w
        assert reference() is None
