"""Operators that PyTorch computes otherwise under a dispatch mode give the program's own digits."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import autograd_lens as lens
from autograd_lens.replay.verify import verify

torch.manual_seed(0)
MATRIX = torch.randn(20, 6)
BATCH, ONE = torch.randn(2, 5, 5, 5, dtype=torch.cfloat)[:, :, :, :].unbind(0)
ONE = ONE[:1]
SQUARE = MATRIX.T @ MATRIX


def second(f: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """The gradient of a gradient's sum."""

    def twice() -> torch.Tensor:
        x = SQUARE.clone().requires_grad_()
        made = f(x)
        weights = torch.linspace(-1, 2, made.numel()).sin().reshape(made.shape)
        (gradient,) = torch.autograd.grad(made, x, weights, create_graph=True)
        return torch.autograd.grad(gradient.sin().sum(), x)[0]

    return twice


PROGRAMS = {
    "eigvalsh": lambda: torch.linalg.eigvalsh(SQUARE),
    "svdvals": lambda: torch.linalg.svdvals(MATRIX),
    "norm": lambda: torch.linalg.norm(MATRIX, 2),
    "batch times one": lambda: torch.view_as_real(BATCH @ ONE),
    "one times batch": lambda: torch.view_as_real(ONE @ BATCH),
    "cumprod": second(lambda x: x.cumprod(0)),
    "det": second(torch.linalg.det),
}


def train(name: str) -> list[bytes]:
    """Three steps with a look at something between forward and backward."""
    torch.manual_seed(1)
    w = torch.randn(6, requires_grad=True)
    seen = []
    for _ in range(3):
        loss = (MATRIX @ w).square().mean()
        seen.append(PROGRAMS[name]().numpy().tobytes())
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return seen


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_digits_are_those_without_recording(tmp_path: Path, name: str) -> None:
    bare = train(name)
    with lens.record(tmp_path / "run.lens", full="all"):
        assert train(name) == bare
    assert train(name) == bare
    with lens.open(tmp_path / "run.lens") as trace:
        assert not verify(trace, range(3)).differs


def test_what_such_an_operator_raises_shows_no_frame_of_ours(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens", full="all"):
        w = torch.randn(3, requires_grad=True)
        w.sum().backward()
        with pytest.raises(RuntimeError) as caught:
            torch.ones(2, 3) @ torch.ones(2, 3)
    shown = "".join(traceback.format_exception(caught.value))
    assert "autograd_lens" not in shown.replace(__file__, "")


def test_such_an_operator_in_a_backward_is_no_hook(tmp_path: Path) -> None:
    w = SQUARE.clone().requires_grad_()
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            torch.linalg.cholesky(w @ w.T + torch.eye(6)).sum().backward()
            with torch.no_grad():
                w -= 0.01 * w.grad
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        assert all(one.steps == 2 for one in verify(trace, range(2)).checks)
