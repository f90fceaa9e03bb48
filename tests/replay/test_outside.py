"""What NumPy writes into a tensor's memory is not known to a tape: such a step is never "wrong"."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.replay.verify import verify
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.outcomes import Verification


def trained(path: Path, wide: int, *, activations: bool, gradients: bool) -> Verification:
    """Three steps of a training in which NumPy changes what PyTorch computed."""
    torch.manual_seed(0)
    first, second = nn.Linear(8, wide), nn.Linear(wide, 4)
    x, y = torch.randn(64, 8), torch.randn(64, 4)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.01)
    with lens.record(path, full="all"):
        for _ in range(3):
            hidden = torch.tanh(first(x))
            if activations:
                hidden.detach().numpy()[:, ::2] *= 0.5
            loss = ((second(hidden) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            if gradients:
                first.weight.grad.numpy()[...] *= 0.5
            optimizer.step()
    with lens.open(path) as trace:
        return verify(trace, range(3))


@pytest.mark.parametrize("wide", [16, 512])
@pytest.mark.parametrize("what", ["activations", "gradients"])
def test_what_numpy_changed_is_not_known(tmp_path: Path, wide: int, what: str) -> None:
    changes = {"activations": what == "activations", "gradients": what == "gradients"}
    found = trained(tmp_path / "run.lens", wide, **changes)
    reasons = [skipped.reason for check in found.checks for skipped in check.skipped]
    assert not found.differs
    assert any("no kernel of PyTorch" in reason for reason in reasons)


def test_where_nothing_was_changed_all_is_proved(tmp_path: Path) -> None:
    found = trained(tmp_path / "run.lens", 16, activations=False, gradients=False)
    assert not found.differs
    assert not any(check.skipped for check in found.checks)


def test_a_large_buffer_that_numpy_fills_anew_is_shown_as_it_is_read(tmp_path: Path) -> None:
    x, w = torch.zeros(200, 200), torch.zeros(200, requires_grad=True)
    array = x.numpy()
    with lens.record(tmp_path / "run.lens", full="all"):
        for step in range(3):
            _ = x * 1  # it is read, and changed behind that
            array[:] = step + 1
            loss = ((x @ w - 1) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w -= 1e-3 * w.grad
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        assert not verify(trace, range(3)).differs
        for number, step in enumerate(trace.steps):
            product = next(kernel for kernel in step.kernels if kernel.op == "aten.mv.default")
            value = next(tensors(product.inputs)).value
            assert value is not None
            assert value.array.ravel()[0] == number + 1
