"""A recording that is asked to stop ends the program at the right step, and that step opens."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.analysis.conditions import condition_on
from autograd_lens.api import replaying
from autograd_lens.capture import Limits
from autograd_lens.replay.verify import verify
from autograd_lens.trace.records import Argument, TensorUse

BROKEN = 37  # the sample that is not finite
SEED = 2  # of an order in which it comes late, and in no step that the schedule keeps

Optimizer = Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]


def sgd(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.0001, momentum=0.9)


def adam(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, 0.01)


def train(
    path: Path, width: int, optimizer: Optimizer, *, marked: bool, full: str = "default"
) -> tuple[list[torch.Tensor], lens.StopConditionMet]:
    """Train on shuffled batches until the broken sample comes; the batches that it was fed."""
    torch.manual_seed(3)
    data = torch.randn(64, 3)
    data[BROKEN] = torch.inf
    pairs = TensorDataset(data, data.sum(1, keepdim=True))
    order = torch.Generator().manual_seed(SEED)
    loader = DataLoader(pairs, batch_size=4, shuffle=True, generator=order)
    model = nn.Sequential(
        nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.1), nn.Linear(width, 1)
    )
    step_of, seen = optimizer(model.parameters()), []
    recording = lens.record(path, stop_on="nan", full=full)

    def loop() -> None:
        with recording as run:
            steps = run.steps(64) if marked else itertools.count()
            for _, (x, y) in zip(steps, loader, strict=False):
                seen.append(x)
                loss = ((model(x) - y) ** 2).mean()
                step_of.zero_grad()
                loss.backward()
                step_of.step()

    with pytest.raises(lens.StopConditionMet) as met:
        loop()
    return seen, met.value


@pytest.mark.parametrize("optimizer", [sgd, adam])
@pytest.mark.parametrize(("width", "marked"), [(8, False), (8, True), (8000, False)])
def test_the_step_that_met_it_opens_in_full_with_its_batch(
    tmp_path: Path, optimizer: Optimizer, width: int, *, marked: bool
) -> None:
    path = tmp_path / "run.lens"
    seen, met = train(path, width, optimizer, marked=marked)
    assert met.kept
    assert met.reason == "the loss is nan"
    assert met.step == len(seen) - 1 > 5  # and none that the schedule keeps
    with replaying(lens.open(path)) as trace:
        assert trace.info.status == "stopped"
        assert met.step not in trace.full_steps
        assert len(trace.steps) == len(seen)
        step = trace.steps[met.step]
        assert step.provenance == "proved"
        uses = [use for kernel in step.kernels for use in _uses(kernel.inputs)]
        read = [use.value for use in uses if use.value is not None]
        batch = seen[-1].numpy()
        assert any(v.shape == batch.shape and np.array_equal(v.array, batch) for v in read)
        checks = verify(trace, range(len(seen))).checks
        assert all(check.steps and not check.skipped and not check.mismatches for check in checks)


def test_the_step_opens_where_no_other_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    _, met = train(path, 8000, adam, marked=False, full="none")
    with replaying(lens.open(path)) as trace:
        assert trace.full_steps == ()
        assert trace.steps[met.step].provenance == "proved"


def descend(path: Path, rate: float, stop_on: str | None, steps: int = 40) -> lens.Trace:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    data = torch.linspace(0, 1, 20).reshape(10, 2)
    with suppress(lens.StopConditionMet), lens.record(path, force=True, stop_on=stop_on):
        for _ in range(steps):
            loss = ((data @ w) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w -= rate * w.grad
            w.grad = None
    return lens.open(path)


@pytest.mark.parametrize(
    "text",
    [
        "loss > 10",
        "norm(w.grad) > 5 and step % 3 == 0",
        "w[0] < -1",
        "not all(abs(w) < 100)",
        "step == 17",
    ],
)
def test_it_stops_where_find_finds_the_first_step(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.lens"
    with descend(path, 4.0, None) as trace:
        found = np.flatnonzero(condition_on(trace, text).holds(trace))
    assert len(found)
    with descend(path, 4.0, text) as trace:
        assert len(trace.steps) == found[0] + 1
        assert [(event.kind, event.step) for event in trace.events] == [("interrupt", found[0])]


def test_a_condition_that_never_holds_ends_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    with descend(tmp_path / "run.lens", 0.1, "loss > 1e9") as trace:
        assert len(trace.steps) == 40
        assert trace.lean_steps == (39,)
        assert trace.events == ()


def test_alike_steps_are_kept_light_and_the_one_that_met_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    torch.manual_seed(0)
    x, model = torch.randn(8, 3), nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with suppress(lens.StopConditionMet), lens.record(path, stop_on="step == 150"):
        while True:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    with replaying(lens.open(path)) as trace:
        assert len(trace.lean_steps) < 10
        step = trace.steps[150]
        assert (step.provenance, step.updates) == ("proved", ())
        assert "stopped before its update" in " ".join(step.omitted)
        checks = verify(trace, range(151)).checks
    assert all(check.steps and not check.skipped and not check.mismatches for check in checks)


def test_other_steps_open_as_they_would_have_opened(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    with lens.record(path, stop_on="loss > 1e9"):
        for turn in range(30):
            loss = (w**2).sum()
            (loss.exp().log() if turn % 7 == 6 else loss).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
    with lens.open(path) as trace:
        checks = verify(trace, range(30)).checks
    assert all(check.steps and not check.skipped and not check.mismatches for check in checks)


def test_an_update_that_breaks_a_parameter_is_found_in_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    w = torch.ones(2, requires_grad=True)

    def loop() -> None:
        with lens.record(path, stop_on="nan"):
            for turn in range(40):
                (w * torch.ones(2)).sum().backward()
                w.data -= w.grad / (0 if turn == 23 else 100)
                w.grad = None

    with pytest.raises(lens.StopConditionMet) as met:
        loop()
    assert met.value.step == 24
    assert met.value.reason == "w was not finite when the step began"
    with lens.open(path) as trace:
        assert trace.lean_steps == (23, 24)


def test_a_program_that_goes_on_is_ended_once(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    caught = []
    with lens.record(tmp_path / "run.lens", stop_on="loss > 4") as run:
        for turn in range(12):
            w.grad = None
            try:
                (w * turn).sum().backward()
            except Exception:  # noqa: BLE001  it must pass this
                pytest.fail("an except Exception caught it")
            except KeyboardInterrupt as error:
                caught.append(str(error))
    assert caught == ["Stopped at step 3: loss > 4 (the loss is 6). It is kept whole."]
    assert run.trace.info.status == "finished"
    assert [event.message for event in run.trace.events] == [f"{caught[0]} The program caught it."]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("loss >", "something else should stand here"),
        ("w.after > 3", "no w.after while a step runs"),
        ("w.mode == 'set'", "no w.mode while a step runs"),
        ("loss == 'set'", "nothing here that a word could be compared with"),
        ("kernel(w) > 3", "nothing is called 'kernel'"),
    ],
)
def test_what_cannot_be_asked_while_a_step_runs_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(lens.ConditionError, match=complaint):
        lens.record("never.lens", stop_on=text)


def test_a_name_that_nothing_has_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with descend(tmp_path / "run.lens", 0.1, "ww > 3", steps=5) as trace:
        assert len(trace.steps) == 5
        (event,) = trace.events
    assert "Did you mean w?" in event.message
    assert capsys.readouterr().err.count("nothing is called 'ww'") == 1


@pytest.mark.parametrize("limits", [Limits(inputs=0), Limits(value=4096)])
def test_its_batch_is_kept_whatever_has_been_kept_before(tmp_path: Path, limits: Limits) -> None:
    path = tmp_path / "run.lens"
    torch.manual_seed(0)
    w, batches = torch.ones(20, requires_grad=True), []
    recording = lens.record(path, limits=limits, stop_on="step == 30")
    with suppress(lens.StopConditionMet), recording:
        while True:
            batches.append(torch.from_numpy(torch.rand(900, 20).numpy().copy()))
            (batches[-1] @ w).pow(2).mean().backward()
            with torch.no_grad():
                w -= 0.001 * w.grad
            w.grad = None
    with replaying(lens.open(path)) as trace:
        step = trace.steps[30]
        assert step.provenance == "proved"
        values = [use.value for kernel in step.kernels for use in _uses(kernel.inputs)]
        assert any(v.data == batches[-1].numpy().tobytes() for v in values if v is not None)


def _uses(inputs: Sequence[Argument]) -> Iterator[TensorUse]:
    return (one.value for one in inputs if isinstance(one.value, TensorUse))
