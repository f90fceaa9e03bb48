"""A parameter is one tensor object, whatever it is called and wherever its memory is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens

LEVELS = ("none", "all")


@pytest.fixture(params=LEVELS)
def full(request: pytest.FixtureRequest) -> str:
    level: str = request.param
    return level


def train(model: nn.Module, turns: int = 3) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(turns):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).pow(2).sum().backward()
        optimizer.step()


def test_a_model_built_anew_under_the_same_name_has_other_parameters(
    full: str, tmp_path: Path
) -> None:
    with lens.record(tmp_path / "run.lens", full=full):
        for _ in range(3):
            model = nn.Linear(3, 1)
            train(model)
    with lens.open(tmp_path / "run.lens") as trace:
        first_steps = {name: one.first_step for name, one in trace.parameters.items()}
    expected = {"": 0, " (2)": 3, " (3)": 6}
    assert first_steps == {
        f"{name}{number}": step for number, step in expected.items() for name in ("weight", "bias")
    }


def test_layers_of_one_shape_in_a_plain_list_are_each_their_own(full: str, tmp_path: Path) -> None:
    layers = [nn.Linear(3, 3), nn.Linear(3, 3)]

    def train_one(layer: nn.Linear) -> None:
        train(layer, 2)

    with lens.record(tmp_path / "run.lens", full=full):
        for layer in layers:
            train_one(layer)
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.parameters) == 4
        last = trace.steps[3].parameters
        moved = {name for name, one in last.items() if one.grad is not None}
        assert len(moved) >= 2


def test_two_parameters_on_one_memory_are_two(full: str, tmp_path: Path) -> None:
    memory = torch.tensor([2.0, 3.0])
    a, b = nn.Parameter(memory), nn.Parameter(memory)
    optimizer = torch.optim.SGD([a, b], lr=0.1)
    with lens.record(tmp_path / "run.lens", full=full):
        for _ in range(2):
            optimizer.zero_grad()
            ((a * 2).sum() + (b * 3).sum()).backward()
            optimizer.step()
    with lens.open(tmp_path / "run.lens") as trace:
        assert set(trace.parameters) == {"a", "b"}
        if full == "all":
            updates = {one.parameter: one for one in trace.steps[0].updates}
            for name, before, after in (("a", 2.0, 1.8), ("b", 1.8, 1.5)):
                update = updates[name]
                assert update.before is not None
                assert update.after is not None
                assert update.before.array[0] == pytest.approx(before)
                assert update.after.array[0] == pytest.approx(after)


def test_a_leaf_that_each_turn_makes_anew_is_an_input(full: str, tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with lens.record(tmp_path / "run.lens", full=full):
        for _ in range(3):
            point = torch.rand(4, 3).requires_grad_()
            (slope,) = torch.autograd.grad(model(point).sum(), point, create_graph=True)
            optimizer.zero_grad()
            (slope.pow(2).sum() + model(point).sum()).backward()
            optimizer.step()
    with lens.open(tmp_path / "run.lens") as trace:
        assert set(trace.parameters) == {"weight", "bias"}
        if full == "all":
            graph = trace.steps[1].backwards[1].graph
            assert graph is not None
            assert "point" in {node.variable for node in graph.nodes}


def penalty(model: nn.Module) -> torch.Tensor:
    sample = torch.rand(4, 3).requires_grad_()
    return torch.autograd.grad(model(sample).sum(), sample, create_graph=True)[0].pow(2).sum()


def test_nor_is_one_that_a_function_makes_in_each_turn(full: str, tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    with lens.record(tmp_path / "run.lens", full=full):
        for _ in range(3):
            penalty(model).backward()
            with torch.no_grad():
                model.weight -= 0.1 * model.weight.grad
            model.weight.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        assert set(trace.parameters) == {"weight", "bias"}


def test_a_leaf_that_an_update_binds_anew_is_the_same_parameter(full: str, tmp_path: Path) -> None:
    w, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full=full):
        for _ in range(4):
            (w * w + b).sum().backward()
            new_w = w.detach() - 0.1 * w.grad
            w, b = new_w.requires_grad_(), (b.detach() - 0.1 * b.grad).requires_grad_()
    with lens.open(tmp_path / "run.lens") as trace:
        assert set(trace.parameters) == {"w", "b"}
        assert len(trace.steps) == 4
