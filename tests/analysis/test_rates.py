"""The learning rates of a run, as the program had them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import autograd_lens as lens
from autograd_lens.analysis.rates import Rates, find_rates
from autograd_lens.errors import NotATraceError
from autograd_lens.trace.writer import TraceWriter


def warm_up(step: int) -> float:
    return step / 3 if step < 3 else 0.5 ** (step - 3)


def trained(path: Path, steps: int, full: str = "none") -> tuple[Rates, list[list[float]]]:
    """Two groups of SGD, the second under a schedule; with the rates that the program saw."""
    one, other = (torch.ones(2, requires_grad=True) for _ in range(2))
    groups = [{"params": [one], "lr": 0.3, "weight_decay": 0.01}, {"params": [other], "lr": 0.1}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda _: 1.0, warm_up])
    seen = []
    with lens.record(path, full=full) as run:
        run.watch(optimizer)
        for _ in run.steps(steps, progress=False):
            optimizer.zero_grad()
            ((one * other).sum() - 3).square().backward()
            seen.append([float(group["lr"]) for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
    with lens.open(path) as trace:
        return find_rates(trace), seen


@pytest.mark.parametrize("full", ["none", "default"])
def test_each_steps_rate_is_the_one_that_its_update_had(tmp_path: Path, full: str) -> None:
    rates, seen = trained(tmp_path / "run.lens", 9, full)
    first, second = rates.groups
    assert [[first.at(step), second.at(step)] for step in range(9)] == seen
    assert first.course == (0.3,)
    assert second.course == (0.0, 0.1, 0.1 * 0.5**5)
    assert second.within(1, 4).rates == tuple((at, seen[at][1]) for at in (1, 2, 3))
    assert first.settings == (("momentum", (0.9,)), ("weight_decay", (0.01,)))
    assert second.settings == (("momentum", (0.9,)),)
    assert not rates.is_plain
    if full != "none":  # only then is written down what the optimizers hold
        assert (first.parameters, second.parameters) == (("one",), ("other",))
        assert second.optimizer == "SGD"


def test_a_rate_that_the_program_changes_by_hand_is_read_off_the_full_steps(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for t in run.steps(4, progress=False):
            (w**2).sum().backward()
            with torch.no_grad():
                w -= (0.5 if t < 2 else 0.25) * w.grad
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        (group,) = find_rates(trace).groups
    assert (group.rates, group.sampled) == (((0, 0.5), (2, 0.25)), True)


def test_a_handwritten_optimizers_schedule_is_seen_all_the_same(tmp_path: Path) -> None:
    class Descent:
        def __init__(self, params: list[torch.Tensor], lr: float) -> None:
            self.params, self.lr = params, lr

        def step(self) -> None:
            for param in self.params:
                assert param.grad is not None
                param.data -= self.lr * param.grad
                param.grad = None

    w = torch.ones(2, requires_grad=True)
    optimizer = Descent([w], 0.5)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for t in run.steps(4, progress=False):
            optimizer.lr = 0.5 if t < 2 else 0.25
            (w**2).sum().backward()
            optimizer.step()
    with lens.open(tmp_path / "run.lens") as trace:
        (group,) = find_rates(trace).groups
    assert (group.optimizer, group.course) == ("Descent", (0.5, 0.25))


class Wrapped:
    """Stands in front of an optimizer, as libraries do it."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def step(self) -> None:
        self.optimizer.step()


def test_an_optimizer_in_a_wrapper_is_told_once(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = Wrapped(torch.optim.AdamW([w], lr=0.1))
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for t in run.steps(3, progress=False):
            (w**2).sum().backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (t + 1)
            optimizer.step()
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        (group,) = find_rates(trace).groups
    assert (group.optimizer, group.parameters) == ("AdamW", ("w",))
    assert [group.at(step) for step in range(3)] == [0.1 / (step + 1) for step in range(3)]


def test_a_scheduler_that_waits_for_its_first_loss_is_no_damage(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    patient = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    assert patient.best == float("inf")
    with lens.record(tmp_path / "run.lens") as run:
        for _ in run.steps(4, progress=False):
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
            patient.step(1.0)
    with lens.open(tmp_path / "run.lens") as trace:
        (group,) = find_rates(trace).groups
    assert (group.optimizer, group.course) == ("SGD", (0.1, 0.025))


@pytest.mark.parametrize("text", [b"{", b'[{"class": 3}]', b'[{"name": "a"}]', b"[" * 9000])
def test_what_a_damaged_file_says_of_optimizers_is_refused(tmp_path: Path, text: bytes) -> None:
    with lens.record(tmp_path / "run.lens"):
        torch.ones(2, requires_grad=True).sum().backward()
    writer = TraceWriter.reopen(tmp_path / "run.lens")
    writer.extra("optimizers", text)
    writer.close("finished")
    with (
        lens.open(tmp_path / "run.lens") as trace,
        pytest.raises(NotATraceError, match="its optimizers cannot be understood"),
    ):
        find_rates(trace)
