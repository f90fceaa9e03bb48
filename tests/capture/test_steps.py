"""Where steps begin that nobody marks: lines, loops, and what was changed between backwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian

import autograd_lens as lens

X = torch.linspace(-1, 1, 8).reshape(4, 2)


def update(net: nn.Module, *, by: float = 0.1) -> None:
    for parameter in net.parameters():
        if parameter.grad is not None:
            parameter.data.sub_(by * parameter.grad)
            parameter.grad = None


def backwards(path: Path, program: Callable[[], object]) -> list[int]:
    """How many backwards each step of a program has."""
    with lens.record(path, full="none"):
        program()
    with lens.open(path) as trace:
        return [len(step.backwards) for step in trace.steps]


def one_loop_after_the_other() -> None:
    net = nn.Linear(2, 1)
    for _ in range(3):
        net(X).sum().backward()
        update(net)
    for _ in range(2):
        net(X).mean().backward()
        update(net)


def loops_of_functions() -> None:
    net = nn.Linear(2, 1)

    def first() -> None:
        for _ in range(3):
            net(X).sum().backward()
            update(net)

    def second() -> None:
        for _ in range(2):
            net(X).mean().backward()
            update(net)

    first()
    second()


def one_backward_before_the_loop() -> None:
    net = nn.Linear(2, 1)
    net(X).sum().backward()
    update(net)
    for _ in range(4):
        net(X).mean().backward()
        update(net)


@pytest.mark.parametrize(
    "program", [one_loop_after_the_other, loops_of_functions, one_backward_before_the_loop]
)
def test_two_loops_have_no_step_in_common(tmp_path: Path, program: Callable[[], None]) -> None:
    assert backwards(tmp_path / "run.lens", program) == [1] * 5


def test_two_loops_within_a_third_have_no_step_in_common(tmp_path: Path) -> None:
    policy, value = nn.Linear(2, 1), nn.Linear(2, 1)

    def learn() -> None:
        for _ in range(3):
            policy(X).sum().backward()
            update(policy)
        for _ in range(2):
            value(X).mean().backward()
            update(value)

    def program() -> None:
        for _ in range(2):
            learn()

    assert backwards(tmp_path / "run.lens", program) == [1] * 10


def test_one_network_updated_more_often_than_the_other(tmp_path: Path) -> None:
    critic, generator = nn.Linear(2, 1), nn.Linear(2, 1)

    def program() -> None:
        for _ in range(2):
            for _ in range(3):
                critic(X).sum().backward()
                update(critic)
            generator(X).mean().backward()
            update(generator)

    assert backwards(tmp_path / "run.lens", program) == [1, 1, 2] * 2


def test_two_losses_of_one_loop_are_one_step_whoever_calls_backward(tmp_path: Path) -> None:
    net, other = nn.Linear(2, 1), nn.Linear(2, 1)

    def train(one: nn.Module) -> None:
        for _ in range(2):
            one(X).sum().backward()
        update(one)

    def program() -> None:
        for _ in range(3):
            net(X).sum().backward()
            update(net)
            other(X).mean().backward()
            update(other)
            train(net)

    assert backwards(tmp_path / "run.lens", program) == [4] * 3


def test_what_is_differentiated_again_and_again_behind_an_update_is_of_its_step(
    tmp_path: Path,
) -> None:
    w = torch.zeros(2, requires_grad=True)

    def loss(at: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(X @ at) - 0.5).square().mean()

    def program() -> None:
        for _ in range(3):
            loss(w).backward()
            with torch.no_grad():
                w.sub_(w.grad)
            w.grad = None
            hessian(loss, w.detach())

    assert backwards(tmp_path / "run.lens", program) == [1 + 1 + 2] * 3


def test_a_loop_around_the_recording_is_none_of_the_program_s(tmp_path: Path) -> None:
    for turn in range(2):
        assert backwards(tmp_path / f"{turn}.lens", one_loop_after_the_other) == [1] * 5


def test_what_follows_a_function_that_trains_is_of_the_step_before(tmp_path: Path) -> None:
    net = nn.Linear(2, 1)
    average = [parameter.detach().clone() for parameter in net.parameters()]

    def fit() -> None:
        net(X).square().sum().backward()
        update(net)

    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(4):
            fit()
            fit()
            for one, other in zip(average, net.parameters(), strict=True):
                one.copy_(other.data)
    with lens.open(tmp_path / "run.lens") as trace:
        tapes = [trace.encoded(step) for step in range(8)]
    copies = [
        [k.op for k in one.template.kernels].count("aten.copy_.default") for one in tapes if one
    ]
    assert copies[:7] == [0, 2, 0, 2, 0, 2, 0], "of the last one nobody knows"
