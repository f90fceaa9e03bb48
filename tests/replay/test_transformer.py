"""A transformer whose parameters are too large for light rows, replayed from its file alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.capture.recorder import Limits
from tests.support.transformer import Size, Training

SMALL = Size(layers=1, width=32, heads=2, words=50, batch=2, length=8)
# Nearly all parameters, and the state that Adam keeps of each, are larger than these.
LIMITS = Limits(light=128, value=128)
STEPS = 14


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transformer") / "run.lens"
    training = Training(SMALL)
    with lens.record(path, limits=LIMITS):
        training.run(STEPS)
    return path


@pytest.fixture
def trace(recording: Path) -> Iterator[Trace]:
    with lens.open(recording) as opened:
        yield opened


def test_light_rows_hold_digests_of_parameters_and_grads(trace: Trace) -> None:
    step = trace.light(8)
    large = [one for one in step.parameters.values() if one.name.endswith("linear1.weight")]
    assert len(large) == SMALL.layers
    for one in large:
        assert one.before is not None
        assert one.grad is not None
        assert not one.before.complete
        assert not one.grad.complete


def test_another_process_proves_every_step_from_the_file_alone(recording: Path) -> None:
    command = [sys.executable, "-m", "autograd_lens", "verify", str(recording)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Proved: {STEPS} steps, bit for bit" in done.stdout


@pytest.mark.parametrize("step", [3, 8, 13])
def test_a_light_step_opens_in_full_with_dropout_on(trace: Trace, step: int) -> None:
    opened = trace.steps[step]
    assert (opened.level, opened.provenance) == ("full", "proved")
    assert any(kernel.op.startswith("aten.bernoulli_") for kernel in opened.kernels)


def test_without_keyframes_the_error_says_what_is_missing(tmp_path: Path) -> None:
    training = Training(SMALL)
    with lens.record(tmp_path / "run.lens", limits=Limits(light=256, value=256, keyframes=0)):
        training.run(5)
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.steps[4].level == "light"
        assert "rerun" in trace.steps[4].omitted[-1]
