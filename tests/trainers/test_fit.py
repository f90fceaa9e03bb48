"""A trainer as small as they come drives a recording as the callbacks do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.errors import RecordingError
from autograd_lens.trainers.fit import Fit
from tests.support.fits import check_fit, same, weights


class Small(nn.Module):
    """Two layers with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x))


def fit(
    recorded: Fit | None,
    *,
    epochs: int = 3,
    accumulate: int = 2,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Small:
    """Four batches an epoch; two of them make an update; validation behind each epoch."""
    torch.manual_seed(0)
    model = Small()
    x = torch.randn(40, 4)
    y = x.sum(1, keepdim=True)
    loader = DataLoader(TensorDataset(x[:32], y[:32]), batch_size=8, shuffle=True)
    held_out = DataLoader(TensorDataset(x[32:], y[32:]), batch_size=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = 0
    if recorded is not None:
        recorded.begin(model)
    for _ in range(epochs):
        for bx, by in loader:
            on_batch(batches)
            nn.functional.mse_loss(model(bx), by).backward()
            batches += 1
            if batches % accumulate == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                if recorded is not None:
                    recorded.turn()
        if recorded is not None:
            recorded.pause()
        model.eval()
        for bx, by in held_out:  # with gradients, as no validation should
            nn.functional.mse_loss(model(bx), by).backward()
        model.zero_grad()
        model.train()
        if recorded is not None:
            recorded.resume()
    if recorded is not None:
        recorded.end()
    return model


def test_steps_are_the_trainers_and_validation_is_none(tmp_path: Path) -> None:
    recorded = Fit(tmp_path / "a.lens", quiet=True)
    model = fit(recorded)
    check_fit(recorded.trace, model, steps=6)
    assert len(recorded.trace.steps[0].backwards) == 2
    assert recorded.trace.steps[0].grad_changes  # clipped
    assert same(weights(model), weights(fit(None)))
    recorded.trace.close()


def test_some_steps_are_chosen(tmp_path: Path) -> None:
    whole = Fit(tmp_path / "a.lens", quiet=True)
    part = Fit(tmp_path / "b.lens", first=2, count=3, full="all", quiet=True)
    fit(whole)
    model = fit(part)
    check_fit(part.trace, model, steps=3)
    assert part.trace.losses.tolist() == whole.trace.losses[2:5].tolist()
    assert part.trace.full_steps == (0, 1, 2)
    for one in (whole, part):
        one.trace.close()


def test_it_stops_on_a_condition_and_keeps_the_last_steps(tmp_path: Path) -> None:
    stopped = Fit(tmp_path / "a.lens", stop_on="step >= 3", quiet=True)
    with pytest.raises(lens.StopConditionMet), stopped:
        fit(stopped)
    assert len(stopped.trace.steps) == 4
    assert stopped.trace.steps[3].level == "full"
    stopped.trace.close()

    newest = Fit(tmp_path / "b.lens", last=2, quiet=True)
    fit(newest)
    assert [step.level for step in newest.trace.steps[4:]] == ["full", "full"]
    newest.trace.close()


def test_findings_are_told_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = Fit(tmp_path / "a.lens", full="none")
    torch.manual_seed(0)
    w = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([w], lr=0.1)
    recorded.begin()
    for _ in range(4):  # nothing clears the gradient
        (w * w).sum().backward()
        optimizer.step()
        recorded.turn()
    recorded.end()
    recorded.end()
    assert [finding.code for finding in recorded.findings] == ["AL101"]
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == f"Recorded 4 steps in {tmp_path / 'a.lens'}."
    assert second.startswith("AL101 stale-gradient: ")
    assert third == f"Next: autograd-lens doctor {tmp_path / 'a.lens'}"
    recorded.trace.close()


def test_a_doctor_that_fails_is_told_and_fails_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(*_: object, **__: object) -> None:
        msg = "a rule is broken"
        raise KeyError(msg)

    monkeypatch.setattr("autograd_lens.trainers.fit.examine", examine)
    recorded = Fit(tmp_path / "a.lens", full="none")
    fit(recorded, epochs=1)
    assert recorded.findings == ()
    told = "The doctor could not examine it: KeyError: 'a rule is broken'"
    assert told in capsys.readouterr().err.splitlines()
    recorded.trace.close()


def test_a_failure_ends_the_recording_in_its_step(tmp_path: Path) -> None:
    def fail(batch: int) -> None:
        if batch == 5:
            msg = "the disk is gone"
            raise OSError(msg)

    recorded = Fit(tmp_path / "a.lens", quiet=True)
    with pytest.raises(OSError, match="gone"), recorded:
        fit(recorded, on_batch=fail)
    assert recorded.trace.info.status == "exception"
    (event,) = [one for one in recorded.trace.events if one.kind == "exception"]
    assert (event.step, event.message) == (2, "OSError: the disk is gone")
    recorded.trace.close()


def test_a_fit_that_nobody_ended_ends_with_the_program(tmp_path: Path) -> None:
    code = (
        "import torch\n"
        "from autograd_lens.trainers.fit import Fit\n"
        "fit = Fit('a.lens')\n"
        "w = torch.ones(1, requires_grad=True)\n"
        "fit.begin()\n"
        "(w * 2).sum().backward()\n"
        "fit.turn()\n"
        "int('seven')\n"
    )
    root = str(Path(lens.__file__).parents[1])
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1].startswith("ValueError: ")
    with lens.open(tmp_path / "a.lens") as trace:
        assert trace.info.status == "exception"
        assert len(trace.steps) == 2  # the second had begun
        assert trace.events[-1].step == 1


def test_what_was_not_recorded_cannot_be_looked_at(tmp_path: Path) -> None:
    recorded = Fit(tmp_path / "a.lens", first=100)
    fit(recorded)
    with pytest.raises(RecordingError, match="Nothing was recorded"):
        recorded.trace  # noqa: B018
    assert not (tmp_path / "a.lens").exists()


def test_nothing_is_imported_that_needs_a_library() -> None:
    code = (
        "import sys, autograd_lens.trainers.fit\n"
        "assert not {'torch', 'lightning', 'transformers', 'ignite'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(lens.__file__).parents[1], check=True)
