"""``autograd-lens verify``: exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import autograd_lens as lens
from autograd_lens.cli import app


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "run.lens"
    w = torch.ones(2, requires_grad=True)
    with lens.record(path):
        for _ in range(6):
            (w * w).sum().backward()
            assert w.grad is not None
            w.data -= 0.1 * w.grad
            w.grad.zero_()
    return path


def test_a_proved_recording_exits_with_0(recording: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(recording), "--finite-differences"])
    assert result.exit_code == 0, result.output
    assert "Proved: 6 steps, bit for bit" in result.output


def test_a_recording_that_differs_exits_with_1(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_lens.replay import check

    # As if no replayed value had the recorded bits.
    monkeypatch.setattr(check, "matches", lambda recorded, tensor: recorded is tensor is None)
    result = CliRunner().invoke(app, ["verify", str(recording), "--steps", "0:2"])
    assert result.exit_code == 1
    assert "DIFFERS" in result.output


def test_a_recording_of_which_nothing_can_be_checked_exits_with_1(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "light.lens", full="none"):
        for _ in range(3):
            (w * w).sum().backward()
            w.grad = None
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "light.lens")])
    assert result.exit_code == 1
    assert "Nothing could be checked" in result.output
