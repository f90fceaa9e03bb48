"""Who watches must not change a number, not even where torch asks whether it is watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import autograd_lens as lens


def prod(x: torch.Tensor) -> torch.Tensor:
    return x.prod(0)


def masked_fill(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(5, 5).masked_fill(torch.arange(25).reshape(5, 5) % 3 > 0, x.mean())


def gradient(loss: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> bytes:
    x.grad = None
    made = loss(x)
    weights = torch.linspace(-1, 2, made.numel()).sin().reshape(made.shape)
    made.backward(weights)
    assert x.grad is not None
    return x.grad.numpy().tobytes()


class _Watches(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@pytest.fixture
def x() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(5, 5, 5, requires_grad=True)


@pytest.mark.parametrize("loss", [prod, masked_fill])
def test_gradients_are_those_of_the_unwatched_program(
    tmp_path: Path, x: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    expected = gradient(loss, x)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        found = [gradient(loss, x) for _ in run.steps(2, progress=False)]
    assert found == [expected, expected]
    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[1]
    assert "torch computes it otherwise where they are seen" in " ".join(step.omitted)
    assert step.backwards[0].graph is not None
    name = step.backwards[0].graph.nodes[0].name
    (run_of_root,) = [one for one in step.backwards[0].node_runs if one.node == 0]
    assert (run_of_root.kernels, name in " ".join(step.omitted)) == ((), True)
    assert run_of_root.grad_inputs[-1] is not None


def test_torch_still_computes_it_otherwise_where_it_is_watched(x: torch.Tensor) -> None:
    # Should torch stop to do so, the nodes need no exception any more.
    expected = gradient(prod, x)
    with _Watches():
        watched = gradient(prod, x)
    assert watched != expected


def test_kernels_behind_such_a_node_are_on_the_tape_again(tmp_path: Path, x: torch.Tensor) -> None:
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(1, progress=False):
            (x.sin().prod(0)).sum().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        kernels = [kernel.op for kernel in trace.steps[0].kernels if kernel.phase == "backward"]
    assert "aten.cos.default" in kernels
