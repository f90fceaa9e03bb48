"""A recorded script runs again as it ran, or the run says where it departed."""

from __future__ import annotations

from pathlib import Path

import pytest

import autograd_lens as lens
from autograd_lens.capture import run_script
from autograd_lens.capture.rerun import rerun
from autograd_lens.errors import RecordingError

# Nothing is seeded: only the recorded random states make two runs equal.
SCRIPT = """\
import random
import numpy as np
import torch

w1 = torch.randn(2, 1, requires_grad=True)
x = torch.tensor(np.random.rand(8, 2), dtype=torch.float32)
rate = 0.05
for t in range(30):
    noise = torch.randn(8, 1) * random.random()
    loss = ((x.mm(w1) - 1 + noise) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w1 -= rate * w1.grad
        w1.grad.zero_()
"""


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    run_script("train.py", [], Path("train.lens"), full="0")
    return tmp_path / "train.lens"


def test_asked_steps_are_added_in_full_and_the_others_compared(recording: Path) -> None:
    before = lens.open(recording)
    result = rerun(recording, [7, 21])
    after = lens.open(recording)
    assert result.difference is None
    assert result.written == (7, 21)
    assert result.checked >= 22
    assert after.full_steps == (0, 7, 21)
    assert after.steps[7].kernels
    assert after.steps[7].parameters == before.steps[7].parameters
    assert after.steps[7].updates[0].expression == "w1 - 0.05 * w1.grad"


def test_a_step_added_later_is_the_step_recorded_at_once(recording: Path) -> None:
    rerun(recording, [7])
    added = lens.open(recording).steps[7]
    incoming = added.backwards[0].grad_writes[0].incoming
    assert incoming is not None
    assert incoming.data == added.parameters["w1"].grad.data  # zeroed before: all of it came now


def test_a_changed_constant_is_found_at_its_first_effect(recording: Path) -> None:
    Path("train.py").write_text(SCRIPT.replace("rate = 0.05", "rate = 0.06"))
    result = rerun(recording, [21])
    assert result.difference is not None
    assert result.difference.step == 1
    assert result.difference.what == "w1"
    grad = lens.open(recording).parameter("w1").grads[0]
    assert result.difference.size == pytest.approx(abs(0.01 * grad).max(), rel=1e-4)
    assert result.written == ()
    assert lens.open(recording).full_steps == (0,)


def test_a_program_that_goes_on_past_its_recording_is_told(recording: Path) -> None:
    Path("train.py").write_text(SCRIPT.replace("range(30)", "range(20)"))
    result = rerun(recording, [25])
    assert result.difference is not None
    assert result.difference.step == 20


def test_steps_that_are_full_already_cost_nothing(recording: Path) -> None:
    Path("train.py").unlink()
    assert rerun(recording, [0]).written == ()


def test_a_missing_script_is_named(recording: Path) -> None:
    Path("train.py").unlink()
    with pytest.raises(RecordingError, match=r"train\.py cannot be read"):
        rerun(recording, [7])


def test_a_script_that_raises_too_early_is_told(recording: Path) -> None:
    Path("train.py").write_text(SCRIPT.replace("loss.backward()", "loss.backward(); 1 / (t - 3)"))
    with pytest.raises(RecordingError, match="ZeroDivisionError before step 21"):
        rerun(recording, [21])
