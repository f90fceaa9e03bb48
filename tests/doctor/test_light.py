"""Recordings without any full step: rules speak with less, or stay silent."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lens.doctor import Finding, examine
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event
from tests.doctor.conftest import PROGRAMS

DiagnoseLight = Callable[[str], tuple[Finding, ...]]


@pytest.fixture
def diagnose_light(tmp_path: Path) -> DiagnoseLight:
    def run(program: str) -> tuple[Finding, ...]:
        from autograd_lens.capture import run_script

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_script(str(PROGRAMS / program), [], tmp_path / "light.lens", full="none")
        with Trace(tmp_path / "light.lens") as trace:
            assert not trace.full_steps
            return examine(trace)

    return run


@pytest.mark.parametrize(
    "name",
    [
        "stale_gradient",
        "detached_loss",
        "learning_rate_too_high",
        "create_graph_left_on",
        "leaf_modified_in_place",
        "backward_twice",
    ],
)
def test_what_light_steps_show_needs_no_full_ones(name: str, diagnose_light: DiagnoseLight) -> None:
    (finding,) = diagnose_light(f"{name}/bad.py")
    assert finding.name == name.replace("_", "-")


def test_a_nan_in_a_light_step_names_the_command_that_finds_its_kernel(
    diagnose_light: DiagnoseLight,
) -> None:
    (finding,) = diagnose_light("nan_born/bad_5.py")
    assert finding.step == 5  # the batch of zeros
    assert finding.look == "autograd-lens rerun {file} --full 5"


NEGATIVE = """\
import torch

x = torch.linspace(0.1, 2, 20).reshape(-1, 1)
w = torch.tensor([[3.0]], requires_grad=True)
b = torch.tensor([1.0], requires_grad=True)
for i in range(100):
    loss = torch.log(x @ w + b).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.03 * w.grad
        b -= 0.03 * b.grad
    w.grad = b.grad = None
"""


def test_a_nan_in_a_light_step_is_settled_by_replay_where_that_can_be_done(tmp_path: Path) -> None:
    from autograd_lens.api import open as open_trace
    from autograd_lens.capture import run_script

    (tmp_path / "negative.py").write_text(NEGATIVE)
    run_script(str(tmp_path / "negative.py"), [], tmp_path / "negative.lens")
    with open_trace(tmp_path / "negative.lens") as trace:
        (finding,) = examine(trace)
        assert finding.step not in trace.full_steps
    assert finding.title == f"first NaN in forward of step {finding.step}: log"
    assert "of a negative number, -0." in finding.message
    assert "the step was opened by replay" in finding.events


@pytest.mark.parametrize("name", ["broadcast_loss", "double_softmax", "saved_tensor_changed"])
def test_what_only_a_full_step_shows_is_not_guessed(
    name: str, diagnose_light: DiagnoseLight
) -> None:
    assert diagnose_light(f"{name}/bad.py") == ()


CUT = "no step was recorded: the run had not come so far"


@pytest.mark.parametrize(
    ("status", "title", "words"),
    [
        ("incomplete", "no step was kept", "The disk is full."),
        ("interrupted", CUT, "The run was interrupted."),
        ("killed", CUT, "The run was killed from outside."),
        ("running", CUT, "The run is still going on."),
        ("finished", "no step was recorded: backward() never ran", "ended without an error"),
    ],
)
def test_a_recording_without_steps_says_why(
    status: str, title: str, words: str, tmp_path: Path
) -> None:
    from autograd_lens.capture import run_script

    target = tmp_path / "nothing.lens"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_script(str(PROGRAMS / "ended_early" / "bad.py"), [], target)
    with Trace(target) as trace:
        if status == "incomplete":
            trace.__dict__["events"] = (Event(status, 0, "The disk is full."),)
        else:
            trace.__dict__["info"] = replace(trace.info, status=status)
        (finding,) = examine(trace)
    assert (finding.title, words in finding.message) == (title, True)
