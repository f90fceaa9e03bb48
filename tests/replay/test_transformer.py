"""A transformer whose parameters are too large for light rows, replayed from its file alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.capture.recorder import Limits
from autograd_lens.replay.replayer import Replayer
from autograd_lens.trace.records import Step, TensorUse
from autograd_lens.trace.values import Value, summarize
from tests.support.transformer import Size, Training

SMALL = Size(layers=1, width=32, heads=2, words=50, batch=2, length=8)
# Nearly all parameters, and the state that Adam keeps of each, are larger than these.
LIMITS = Limits(light=128, value=128)
STEPS = 14


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transformer") / "run.lens"
    training = Training(SMALL)
    with lens.record(path, limits=LIMITS, full="0,1,2,5,10"):
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


def test_large_values_of_a_full_step_are_kept_as_digests_and_come_back_whole(
    recording: Path, trace: Trace
) -> None:
    plain = Training(SMALL)
    seen: list[torch.Tensor] = []
    plain.model.encoder.layers[0].linear1.register_forward_hook(
        lambda _module, _args, made: seen.append(made.detach().clone())
    )
    plain.run(11)
    with Trace(recording) as stored:  # which executes nothing
        kept = _results_of_linear1(stored.steps[10])
    opened = _results_of_linear1(trace.steps[10])
    assert trace.steps[10].provenance == "recorded"
    assert kept
    assert all(value.data is None for value in kept)
    assert [value.summary for value in kept] == [
        summarize(np.frombuffer(value.data or b"", np.uint8), value.dtype) for value in opened
    ]
    assert all(value.array.tobytes() == seen[10].numpy().tobytes() for value in opened)


def _results_of_linear1(step: Step) -> list[Value]:
    """The values of what the first layer's first linear module gives, in a step."""
    shape = (SMALL.batch, SMALL.length, 4 * SMALL.width)
    uses = (
        output
        for kernel in step.kernels
        if kernel.module.endswith("linear1") and kernel.phase == "forward"
        for output in kernel.outputs
        if isinstance(output, TensorUse)
    )
    found = [use.value for use in uses if use.value is not None and use.value.shape == shape]
    return found[-1:]


@pytest.mark.parametrize("step", [4, 9, 13])
def test_a_step_is_replayed_from_its_nearest_keyframe(recording: Path, step: int) -> None:
    way: list[int] = []
    with Trace(recording) as trace:
        assert trace.keyframes == (0, 5, 10)
        replayer = Replayer(trace, lambda on, _asked: way.append(on) if on is not None else None)
        assert replayer.step(step).step.provenance == "proved"
    nearest = step // 5 * 5
    assert way == [step, *range(nearest, step)]


def test_without_keyframes_the_error_says_what_is_missing(tmp_path: Path) -> None:
    training = Training(SMALL)
    with lens.record(tmp_path / "run.lens", limits=Limits(light=256, value=256, keyframes=0)):
        training.run(5)
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.steps[4].level == "light"
        assert "rerun" in trace.steps[4].omitted[-1]
