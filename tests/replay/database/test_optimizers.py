"""Every optimizer of PyTorch's own database: its updates are recorded as they were, and replayed.

What each parameter was before and after every update is noted by the program itself. The twins
at the end make the same updates by hand, on plain tensors.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.replay.replayer import Replayer
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 5
CONFIGURATIONS = 3  # of each optimizer; the database lists up to twenty

# What each parameter was before and after each step, as the program saw it.
History = list[dict[str, np.ndarray[Any, Any]]]
Update = Callable[[], Any]


@cache
def database() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_optimizers import optim_db
    return {info.optim_cls.__name__: info for info in optim_db}


class Problem:
    """A small regression whose parameters are matrices, as some optimizers need them."""

    def __init__(self, *, sparse: bool = False) -> None:
        torch.manual_seed(0)
        self.table = nn.Embedding(6, 4, sparse=True) if sparse else None
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.slope = nn.Parameter(torch.randn(3, 2))
        self.x, self.y = torch.randn(8, 4), torch.randn(8, 2)

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self.table.weight] if self.table is not None else [self.weight, self.slope]

    def loss(self) -> torch.Tensor:
        if self.table is not None:
            picked: torch.Tensor = self.table(torch.tensor([0, 2, 2, 5]))
            return picked.pow(2).sum()
        return ((self.x @ self.weight).tanh() @ self.slope - self.y).pow(2).mean()

    def see(self) -> dict[str, np.ndarray[Any, Any]]:
        return {str(i): p.detach().numpy().copy() for i, p in enumerate(self.parameters)}


def train(problem: Problem, optimizer: Any) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Yields the parameters behind each step."""

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = problem.loss()
        loss.backward()
        return loss

    while True:
        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        yield problem.see()


def run(
    build: Callable[[Problem], Any], path: Path | None = None, *, full: str = "all", **kinds: bool
) -> History:
    """Train for some steps, recorded where a path is given."""
    problem = Problem(**kinds)
    loop = train(problem, build(problem))
    if path is None:
        return [problem.see(), *itertools.islice(loop, STEPS)]
    found = [problem.see()]
    with lens.record(path, full=full) as recording:
        found += [next(loop) for _ in recording.steps(STEPS, progress=False)]
    return found


def configurations(name: str) -> list[Any]:
    inputs = database()[name].optim_inputs_func(device="cpu")
    plain = [one for one in inputs if not isinstance(one.params, list) or not one.params]
    # A step of LBFGS is twenty of the others.
    return [one.kwargs for one in plain[: 1 if name == "LBFGS" else CONFIGURATIONS]]


@pytest.mark.parametrize("name", sorted(database()))
def test_before_and_after_of_every_update_are_right(name: str, tmp_path: Path) -> None:
    kind, sparse = database()[name].optim_cls, name == "SparseAdam"
    for number, numbers in enumerate(configurations(name)):
        given = f"{name}({numbers})"

        def build(problem: Problem, numbers: Any = numbers) -> Any:
            return kind(problem.parameters, **numbers)

        path = tmp_path / f"{number}.lens"
        expected = run(build, sparse=sparse)
        assert_same(run(build, path, sparse=sparse), expected, given)
        with Trace(path) as trace:
            for step in range(STEPS):
                assert_updates(trace.steps[step], expected[step : step + 2], given)


def test_the_whole_database_is_gone_through() -> None:
    assert len(database()) >= 15


def assert_same(found: History, expected: History, what: str) -> None:
    for step, (one, other) in enumerate(zip(found, expected, strict=True)):
        for key, value in one.items():
            assert value.tobytes() == other[key].tobytes(), f"{what}: step {step}, parameter {key}"


def assert_updates(step: Step, around: History, what: str) -> None:
    """The updates of each parameter lead from what was before the step to what was behind it."""
    before, after = around
    now = {value.tobytes(): key for key, value in before.items()}
    owners: dict[str, str] = {}
    reached = {key: value.tobytes() for key, value in before.items()}
    for update in step.updates:
        assert update.before is not None, what
        assert update.after is not None, what
        owner = owners.setdefault(update.parameter, now.get(update.before.data or b"", ""))
        assert reached[owner] == update.before.data, f"{what}: step {step.index}, {owner}"
        reached[owner] = update.after.data or b""
    for key, value in after.items():
        assert reached[key] == value.tobytes(), f"{what}: step {step.index}, parameter {key}"


# LBFGS decides in Python, from losses, how far to go.
REPLAYED = sorted(name for name in database() if name not in {"LBFGS", "SparseAdam"})


@pytest.mark.parametrize("name", REPLAYED)
def test_updates_of_light_steps_are_made_again(name: str, tmp_path: Path) -> None:
    kind = database()[name].optim_cls
    for number, numbers in enumerate(configurations(name)):
        path = tmp_path / f"{number}.lens"
        run(lambda problem, n=numbers: kind(problem.parameters, **n), path, full="0:3")
        with Trace(path) as trace:
            replayed = Replayer(trace).step(3)
        assert not replayed.differences, f"{name}({numbers})"
        assert not replayed.updates, f"{name}({numbers}): {replayed.updates[0]}"


def test_each_optimizer_makes_its_own_part_of_an_update(tmp_path: Path) -> None:
    # ASGD changes its state behind its parameters: where one ends, the other begins.
    class Both:
        def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
            self.each = [torch.optim.ASGD([one], lr=0.02, lambd=0.1) for one in parameters]

        def zero_grad(self) -> None:
            for one in self.each:
                one.zero_grad()

        def step(self) -> None:
            for one in self.each:
                one.step()

    path = tmp_path / "both.lens"
    run(lambda problem: Both(problem.parameters), path, full="0:3")
    with Trace(path) as trace:
        replayed = Replayer(trace).step(3)
    assert not replayed.differences
    assert not replayed.updates


# -- twins ----------------------------------------------------------------------------------


class ByHand:
    """An optimizer as learners write it.

    Args:
        parameters: What it updates.
        update: Makes one update: parameter, gradient, state, number of the step from 1.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        update: Callable[[torch.Tensor, torch.Tensor, dict[str, torch.Tensor], int], None],
    ) -> None:
        self.parameters = parameters
        self.update = update
        self.states: list[dict[str, torch.Tensor]] = [{} for _ in parameters]
        self.count = 0

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        self.count += 1
        with torch.no_grad():
            for parameter, state in zip(self.parameters, self.states, strict=True):
                assert parameter.grad is not None
                self.update(parameter, parameter.grad, state, self.count)


def sgd(p: torch.Tensor, grad: torch.Tensor, _state: dict[str, torch.Tensor], _t: int) -> None:
    p.sub_(0.1 * grad)


def sgd_through_data(
    p: torch.Tensor, grad: torch.Tensor, _state: dict[str, torch.Tensor], _t: int
) -> None:
    p.data -= 0.1 * grad


def sgd_in_place_of(
    p: torch.Tensor, grad: torch.Tensor, _state: dict[str, torch.Tensor], _t: int
) -> None:
    p.data = p - 0.1 * grad


def momentum(p: torch.Tensor, grad: torch.Tensor, state: dict[str, torch.Tensor], _t: int) -> None:
    if "velocity" not in state:
        state["velocity"] = torch.zeros_like(p)
    state["velocity"].mul_(0.9).add_(grad)
    p.add_(state["velocity"], alpha=-0.1)


def adagrad(p: torch.Tensor, grad: torch.Tensor, state: dict[str, torch.Tensor], _t: int) -> None:
    state["sum"] = state.get("sum", torch.zeros_like(p)) + grad * grad
    p.sub_(0.1 * grad / (state["sum"].sqrt() + 1e-10))


def adam(p: torch.Tensor, grad: torch.Tensor, state: dict[str, torch.Tensor], t: int) -> None:
    mean = state["mean"] = 0.9 * state.get("mean", torch.zeros_like(p)) + 0.1 * grad
    square = state["square"] = 0.999 * state.get("square", torch.zeros_like(p)) + 0.001 * grad**2
    p -= 0.01 * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)


@pytest.mark.parametrize(
    "update", [sgd, sgd_through_data, sgd_in_place_of, momentum, adagrad, adam]
)
def test_before_and_after_of_handwritten_updates_are_right(
    update: Callable[..., None], tmp_path: Path
) -> None:
    def build(problem: Problem) -> ByHand:
        return ByHand(problem.parameters, update)

    expected = run(build)
    assert_same(run(build, tmp_path / "run.lens"), expected, update.__name__)
    with Trace(tmp_path / "run.lens") as trace:
        for step in range(STEPS):
            assert_updates(trace.steps[step], expected[step : step + 2], update.__name__)
