"""The parameters around each event are what the program would print if it stopped there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import autograd_lens as lens
from autograd_lens.analysis.cursor import States
from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Value

Shown = dict[str, tuple[Any, Any]]
Turns = tuple[dict[str, torch.Tensor], Callable[[], None]]


def by_hand() -> Turns:
    """The linear regression with its handwritten update and clearing."""
    w, b = torch.randn(1, 1, requires_grad=True), torch.randn(1, requires_grad=True)
    x = torch.rand(20, 1)
    y = 3 * x + 10

    def turn() -> None:
        ((x.mm(w) + b - y) ** 2 / 2).mean().backward()
        for p in (w, b):
            assert p.grad is not None
            p.data -= 0.1 * p.grad.data
            p.grad.data.zero_()

    return {"w": w, "b": b}, turn


def _model(make: Callable[[Any], torch.optim.Optimizer]) -> tuple[nn.Linear, torch.optim.Optimizer]:
    model = nn.Linear(2, 1)
    return model, make(model.parameters())


def _named(model: nn.Linear) -> dict[str, torch.Tensor]:
    return {"weight": model.weight, "bias": model.bias}


def adam() -> Turns:
    """Cleared first, to None."""
    model, optimizer = _model(lambda p: torch.optim.Adam(p, lr=0.1))
    x = torch.rand(5, 2)

    def turn() -> None:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()

    return _named(model), turn


def several_at_once() -> Turns:
    """One kernel updates all parameters, and one clears them."""
    model, optimizer = _model(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, foreach=True))
    x = torch.rand(5, 2)

    def turn() -> None:
        model(x).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    return _named(model), turn


def accumulating() -> Turns:
    """Three backwards add up; cleared in place before them."""
    model, optimizer = _model(lambda p: torch.optim.SGD(p, 0.1))
    parts = torch.rand(3, 4, 2)

    def turn() -> None:
        optimizer.zero_grad(set_to_none=False)
        for part in parts:
            (model(part).pow(2).mean() / 3).backward()
        optimizer.step()

    return _named(model), turn


def clipped() -> Turns:
    """Clipped before the update, where it counts, and behind it, where it is too late."""
    model, optimizer = _model(lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.1))
    x = torch.rand(5, 2)

    def turn() -> None:
        (100 * model(x).pow(2)).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.zero_grad()

    return _named(model), turn


PROGRAMS = [by_hand, adam, several_at_once, accumulating, clipped]


@dataclass
class Watched(TorchDispatchMode):
    """What the parameters hold around each kernel of a program."""

    tensors: Mapping[str, torch.Tensor]
    ops: list[str] = field(default_factory=list)
    before: list[Shown] = field(default_factory=list)
    after: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def now(self) -> Shown:
        with torch._C._DisableTorchDispatch():
            return {
                name: (t.detach().tolist(), None if t.grad is None else t.grad.tolist())
                for name, t in self.tensors.items()
            }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kept = func.namespace != "profiler"
        if kept:
            self.ops.append(str(func))
            self.before.append(self.now())
        result = func(*args, **kwargs or {})
        if kept:
            self.after.append(self.now())
        return result


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.__name__)
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Watched, list[Step]]]:
    torch.manual_seed(0)
    named, turn = request.param()
    watched = Watched(named)
    with watched:
        for _ in range(3):
            turn()
    watched.before.append(watched.now())
    torch.manual_seed(0)
    named, turn = request.param()
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(3):
            turn()
    with lens.open(tmp_path / "run.lens") as trace:
        yield watched, list(trace.steps)


def test_the_state_is_what_the_program_would_print_there(told: tuple[Watched, list[Step]]) -> None:
    watched, steps = told
    end = 0
    for step in steps:
        start = _found(watched.ops, [kernel.op for kernel in step.kernels], end)
        end = start + len(step.kernels)
        events = step_events(step)
        states = States(step, events)
        known, last = watched.before[start], start - 1
        for place, event in enumerate(events):
            held = states.at(place)
            shown = {_short(n): (_plain(h.before), _plain(h.grad_before)) for n, h in held.items()}
            assert shown == known, (step.index, place, event)
            last = max(last, *(start + each for each in event.kernels), start - 1)
            known = _expected(watched, step, event, last, known)
            shown = {_short(n): (_plain(h.after), _plain(h.grad)) for n, h in held.items()}
            assert shown == known, (step.index, place, event)


def _expected(watched: Watched, step: Step, event: StepEvent, last: int, known: Shown) -> Shown:
    """What is printed behind an event, by the last kernel that ran."""
    if event.kind in {"engine", "run"}:
        return known
    if event.kind == "node" and _is_leaf(step, event):
        return known  # it is written with the next event
    if event.kind == "grad":
        return watched.before[last + 1]
    if event.kind == "zero" and not event.kernels:  # set to None, one after the other
        name = _short(step.zero_grads[event.item].parameter)
        assert watched.before[last + 1][name][1] is None
        return {**known, name: (known[name][0], None)}
    return watched.after[last]


def _is_leaf(step: Step, event: StepEvent) -> bool:
    backward = step.backwards[event.backward]
    assert backward.graph is not None
    return backward.graph.nodes[backward.node_runs[event.item].node].variable is not None


def _found(ops: list[str], wanted: list[str], start: int) -> int:
    """Where a step's tape begins among all kernels of the program."""
    for place in range(start, len(ops)):
        if ops[place : place + len(wanted)] == wanted:
            return place
    pytest.fail("the tape is no part of what the program ran")


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _plain(value: Value | None) -> Any:
    return None if value is None else value.array.tolist()
