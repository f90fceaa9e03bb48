"""A recording knows which tensors each optimizer of the program holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.capture.optimizer_numbers import OptimizerNumbers
from autograd_lens.replay.optimizer import Optimizers
from autograd_lens.replay.verify import verify
from autograd_lens.trace.kept import replaced_optimizers, stored_optimizers


def notes(path: Path) -> dict[str, Any]:
    with lens.open(path) as trace:
        names = list(trace.parameters)
        found = stored_optimizers(trace)
    return {
        one.name: [None if index is None else names[index] for index in one.holds] for one in found
    }


class Descent:
    def __init__(self, parameters: list[torch.Tensor]) -> None:
        self.parameters = parameters
        self.speeds = [torch.zeros_like(p) for p in parameters]

    def step(self) -> None:
        with torch.no_grad():
            for p in self.parameters:
                p.sub_(0.1 * p.grad)


def test_tensors_that_no_backward_reached_are_null(tmp_path: Path) -> None:
    model, other = nn.Linear(2, 1), [torch.ones(2, requires_grad=True)]
    optimizer = torch.optim.SGD([model.weight, *other, model.bias], lr=0.1)
    with lens.record(tmp_path / "run.lens") as run:
        for _ in run.steps(2):
            model(torch.ones(3, 2)).sum().backward()
            optimizer.step()
    assert notes(tmp_path / "run.lens") == {"optimizer": ["weight", None, "bias"]}
    with lens.open(tmp_path / "run.lens") as trace:
        (settings,) = Optimizers(trace).all
        assert settings.groups[0].names == ("weight", "", "bias")
        assert verify(trace, range(2)).complete


def test_a_handwritten_one_holds_the_leaves_among_its_attributes(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    descent = Descent([w])
    with lens.record(tmp_path / "run.lens"):
        for _ in range(2):
            (w * w).sum().backward()
            descent.step()
    assert notes(tmp_path / "run.lens") == {"descent": ["w"]}


def test_what_is_added_in_the_middle_is_written_again(tmp_path: Path) -> None:
    v, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.1)
    with lens.record(tmp_path / "run.lens", full="all"):
        for turn in range(6):
            (v * w).sum().backward()
            optimizer.step()
            if turn == 3:
                optimizer.add_param_group({"params": [w]})
    assert notes(tmp_path / "run.lens") == {"optimizer": ["v", "w"]}


def fold(steps: int) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(6, 4)).square().mean().backward()
        optimizer.step()


def test_that_of_an_earlier_model_is_kept_and_its_updates_are_proved(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"):
        for _ in range(3):
            fold(12)
    found = notes(tmp_path / "run.lens")
    assert list(found) == ["optimizer", "optimizer (2)", "optimizer (3)"]
    assert found["optimizer (3)"][0] == "model.0.weight (3)"
    with lens.open(tmp_path / "run.lens") as trace:
        assert verify(trace, range(36)).complete


def test_one_that_is_made_again_for_the_same_parameters_takes_the_place(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    with lens.record(tmp_path / "run.lens", full="all"):
        for epoch in range(3):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / (epoch + 1))
            for _ in range(2):
                optimizer.zero_grad()
                model(torch.randn(6, 4)).square().mean().backward()
                optimizer.step()
    assert list(notes(tmp_path / "run.lens").values()) == [["weight", "bias"]]


def test_one_that_another_took_the_place_of_is_kept_with_the_step(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    with lens.record(tmp_path / "run.lens", full="all"):
        for kind in (torch.optim.Adam, torch.optim.SGD):
            optimizer = kind(model.parameters(), lr=0.01)
            for _ in range(3):
                optimizer.zero_grad()
                model(torch.randn(6, 4)).square().mean().backward()
                optimizer.step()
    assert list(notes(tmp_path / "run.lens")) == ["optimizer"]
    with lens.open(tmp_path / "run.lens") as trace:
        assert [one.kind for one in stored_optimizers(trace)] == ["SGD"]
        ((step, replaced),) = replaced_optimizers(trace)
        assert (step, replaced.kind, replaced.until) == (3, "Adam", 3)
        assert verify(trace, range(6)).complete


def test_the_states_that_an_optimizer_within_anothers_step_begins_are_told_apart() -> None:
    leaves = [torch.ones(2, requires_grad=True) for _ in range(3)]
    for leaf in leaves:
        leaf.grad = torch.ones(2)
    outer = torch.optim.SGD(leaves[:1], lr=0.1, momentum=0.9)
    inner = torch.optim.SGD(leaves[1:], lr=0.1, momentum=0.9)
    inner.step()
    numbers = OptimizerNumbers(lambda one: next(n for n, leaf in enumerate(leaves) if leaf is one))
    numbers.step(outer)
    numbers.step(inner)
    inner.step()
    numbers.ended(inner)
    outer.step()
    numbers.ended(outer)
    assert numbers.take_fresh() == [0]
