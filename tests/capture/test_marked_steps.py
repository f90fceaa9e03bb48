"""Steps that a program marks: several backwards in one, pauses, and the mark behind the last."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.errors import RecordingError
from autograd_lens.replay.verify import verify
from autograd_lens.trace.reader import Trace


def proved(trace: Trace, steps: int) -> bool:
    found = verify(trace, range(steps))
    return len(trace.steps) == steps and found.complete and not found.differs


def test_two_backwards_of_many_kernels_in_a_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograd_lens.live.mode.LONG", 8)
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "a.lens", full="all") as run:
        for _ in run.steps(2, progress=False):
            for _ in range(2):
                loss = w
                for _ in range(10):
                    loss = (loss * 0.99).sin()
                loss.sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad = None
    assert capsys.readouterr().err == ""
    assert [len(step.backwards) for step in run.trace.steps] == [2, 2]
    assert proved(run.trace, 2)
    run.trace.close()


def test_a_pause_leaves_the_program_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x = torch.randn(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with lens.record(tmp_path / "a.lens", full="all") as run:
        for _ in run.steps(3, progress=False):
            model(x).pow(2).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            with run.paused():
                assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
                model(x).exp().sum().backward()
                optimizer.zero_grad()
    assert [len(step.backwards) for step in run.trace.steps] == [1, 1, 1]
    ops = {kernel.op for step in run.trace.steps for kernel in step.kernels}
    assert "aten.exp.default" not in ops
    assert "aten.pow.Tensor_Scalar" in ops
    assert proved(run.trace, 3)
    run.trace.close()


def test_a_pause_ends_with_an_exception(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    with lens.record(tmp_path / "a.lens", full="none") as run:
        with pytest.raises(ZeroDivisionError), run.paused():
            1 / 0  # noqa: B018
        (w * 2).sum().backward()
    assert len(run.trace.steps) == 1
    run.trace.close()
    with pytest.raises(RecordingError, match="not running"), run.paused():
        pass


@pytest.mark.parametrize("full", ["all", "none"])
def test_a_step_that_does_not_come_is_withdrawn(tmp_path: Path, full: str) -> None:
    w = torch.ones(1, requires_grad=True)
    with lens.record(tmp_path / "a.lens", full=full) as run:
        turns = run.steps(100, progress=False)
        next(turns)
        for _ in range(3):
            (w * 2).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad = None
            next(turns)
        run.withdraw_step()
    assert len(run.trace.steps) == 3
    assert run.trace.steps[-1].updates
    run.trace.close()


def test_a_step_with_a_backward_is_not_withdrawn(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    with lens.record(tmp_path / "a.lens") as run:
        for _ in run.steps(2, progress=False):
            (w * 2).sum().backward()
        run.withdraw_step()
    assert len(run.trace.steps) == 2
    run.trace.close()
