"""A recording of the last steps stays small however long the run goes on, and those steps open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import autograd_lens as lens
from autograd_lens.capture import Limits
from autograd_lens.cli import app
from autograd_lens.replay.verify import verify

TRAIN = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def train(width, steps, every=0):
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(60, 8), torch.randn(60, 1))
    model = nn.Sequential(nn.Linear(8, width), nn.BatchNorm1d(width), nn.Dropout(0.1),
                          nn.Linear(width, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    done = 0
    while done < steps:
        for x, y in DataLoader(data, 7, shuffle=True):
            loss = ((model(x) - y) ** 2).mean()
            if every and done % every == every - 1:
                loss = loss + model[0].weight.abs().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
"""


STEPS = 99


def train(width: int, steps: int, every: int = 0) -> None:
    there: dict[str, object] = {}
    exec(TRAIN, there)  # noqa: S102  the program of these tests
    there["train"](width, steps, every)  # type: ignore[operator]


def all_proved(trace: lens.Trace, first: int) -> None:
    """Every step from one on is proved, updates included."""
    steps = range(first, len(trace.steps))
    checks = verify(trace, steps).checks
    assert all(not check.skipped and not check.mismatches for check in checks)
    assert checks[0].steps == len(steps)


@pytest.mark.parametrize(("width", "every"), [(6, 0), (3000, 11), (6, 40)])
def test_the_last_steps_open_and_older_ones_keep_their_loss(
    tmp_path: Path, width: int, every: int
) -> None:
    with lens.record(tmp_path / "all.lens", full="none"):
        train(width, STEPS, every)
    with lens.record(tmp_path / "last.lens", last=24) as run:
        train(width, STEPS, every)
    with lens.open(tmp_path / "all.lens") as whole, run.trace as trace:
        assert len(trace.steps) == STEPS
        np.testing.assert_array_equal(trace.losses, whole.losses)
        assert STEPS - 24 - 16 < trace.first_kept <= STEPS - 24
        assert trace.window is not None
        assert trace.window.steps == 24
        all_proved(trace, trace.first_kept)
        old = trace.steps[trace.first_kept - 1]
        assert not old.parameters
        assert "older than what --last 24 keeps" in " ".join(old.omitted)
        (reason,) = verify(trace, [3]).checks[0].skipped
        assert "there is the loss alone" in reason.reason


def test_the_file_stays_within_what_its_window_takes(tmp_path: Path) -> None:
    sizes = []
    for steps in (300, 2400):
        with lens.record(tmp_path / "last.lens", last=20, force=True):
            w = torch.ones(2000, requires_grad=True)
            for step in range(steps):
                (w * torch.full((2000,), step / steps)).sum().backward()
                w.data -= 0.001 * w.grad
                w.grad = None
        sizes.append((tmp_path / "last.lens").stat().st_size)
    assert sizes[1] < sizes[0] + 2100 * 16  # losses, and pages that are not full


def test_more_than_fits_is_said_and_the_newest_steps_open(tmp_path: Path) -> None:
    limits = Limits(size=8_000_000)
    with lens.record(tmp_path / "last.lens", last=500, limits=limits) as run:
        w = torch.ones(40, requires_grad=True)
        for _ in range(600):
            (torch.rand(300, 40) @ w).sum().backward()
            w.data -= 1e-6 * w.grad
            w.grad = None
    assert (tmp_path / "last.lens").stat().st_size <= 8_000_000
    with run.trace as trace:
        assert len(trace.steps) == 600
        assert 0 < trace.first_kept < 600 - 32
        all_proved(trace, trace.first_kept)


def test_it_ends_at_a_condition_with_the_steps_before(tmp_path: Path) -> None:
    path = tmp_path / "last.lens"
    with suppress(lens.StopConditionMet), lens.record(path, last=16, stop_on="step == 67"):
        train(3000, 100)
    with lens.open(path) as trace:
        assert len(trace.steps) == 68
        assert trace.steps[67].provenance == "proved"
        all_proved(trace, 52)


def test_a_killed_run_has_its_last_committed_steps(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{TRAIN}\ntrain(3000, 10**9)\n")
    path = tmp_path / "run.lens"
    command = [sys.executable, "-m", "autograd_lens", "run", "--last", "20", "-o", str(path)]
    process = subprocess.Popen([*command, str(program)], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not path.exists() or _committed(path) < 60:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with lens.open(path) as trace:
        assert trace.info.status == "killed"
        newest = len(trace.steps) - 1  # of the last one, parts were to come
        assert trace.first_kept <= newest - 20
        checks = verify(trace, range(newest - 20, newest)).checks
        assert all(not check.skipped and not check.mismatches for check in checks[:3])


def _committed(path: Path) -> int:
    with suppress(lens.LensError), lens.open(path) as trace:
        return len(trace.steps)
    return 0


def test_what_was_kept_is_said(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{TRAIN}\ntrain(4, 60)\n")
    path = str(tmp_path / "run.lens")
    told = CliRunner().invoke(app, ["run", "--last", "16", "-o", path, str(program)])
    assert "and the loss of those before (--last 16)" in " ".join(told.output.split())
    told = CliRunner().invoke(app, ["info", path])
    assert "and the loss of those before (--last 16)" in told.output
    told = CliRunner().invoke(app, ["trace", path, "--steps", "5"])
    assert "Step 5 is older than what --last 16 keeps" in told.output
    assert "m.0" not in told.output
