"""What cannot be replayed faithfully is recognised and named, never approximated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autograd_lens as lens
from autograd_lens.capture.recorder import Limits
from autograd_lens.errors import ReplayError
from autograd_lens.replay.replayer import Replayer
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Constant, Kernel, Step

Loop = Iterator[None]


def update(*parameters: torch.Tensor) -> None:
    with torch.no_grad():
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
            parameter.grad = None


def record(
    path: Path, program: Callable[[], Loop], steps: int, full: str = "0:3", **limits: int
) -> Trace:
    torch.manual_seed(1)
    with lens.record(path, full=full, limits=Limits(**limits)):
        loop = program()
        for _ in range(steps):
            next(loop)
    return Trace(path)


def branching() -> Loop:
    """Which kernels run depends on a value, in a graph of the same nodes."""
    w, x = torch.randn(3, requires_grad=True), torch.ones(3)
    turn = 0
    while True:
        factor = 2.0 if turn % 3 else 5.0
        (w * x * factor).sum().backward()
        update(w)
        turn += 1
        yield


def alternating() -> Loop:
    """Two structures in turn; the second is first seen when only the loss is recorded."""
    w, turn = torch.randn(3, requires_grad=True), 0
    while True:
        (w.exp().sum() if turn >= 6 and turn % 2 else w.pow(2).sum()).backward()
        update(w)
        turn += 1
        yield


def through_numpy() -> Loop:
    """A batch that changes, computed by NumPy."""
    w, numbers = torch.randn(3, requires_grad=True), np.random.default_rng(0)
    while True:
        batch = torch.empty(3)
        batch.numpy()[:] = numbers.standard_normal(3)
        (w * batch).sum().backward()
        update(w)
        yield


def large() -> Loop:
    """A parameter of which a light step keeps no more than a digest."""
    w = torch.randn(60, 60, requires_grad=True)
    while True:
        w.pow(2).sum().backward()
        update(w)
        yield


def meta_learning() -> Loop:
    """An inner update under autograd, between two losses."""
    w, x = torch.randn(3, requires_grad=True), torch.randn(3)
    while True:
        (slope,) = torch.autograd.grad((w * x).pow(2).sum(), w, create_graph=True)
        fast = w - 0.1 * slope
        (fast * x).pow(2).sum().backward()
        update(w)
        yield


def given_gradients() -> Loop:
    """Backward from two tensors, with gradients that the program gives."""
    w, weights = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3)
    while True:
        torch.autograd.backward([w.exp(), w.sin()], [weights, weights * 2])
        update(w)
        yield


def unusual_strides() -> Loop:
    """A transposed batch and a transposed parameter: sums go through them in another order."""
    w = torch.randn(7, 33).t().requires_grad_()
    x = torch.randn(33, 9).t()
    while True:
        (x @ w).sum(0).prod().backward()
        update(w)
        yield


def conjugated() -> Loop:
    """Lazily conjugated tensors, which kernels resolve inside."""
    w = torch.randn(4, dtype=torch.complex64, requires_grad=True)
    while True:
        torch.view_as_real(w.conj() * w.conj().exp()).pow(2).sum().backward()
        update(w)
        yield


@pytest.mark.parametrize("program", [meta_learning, given_gradients, unusual_strides, conjugated])
def test_light_steps_are_proved(tmp_path: Path, program: Callable[[], Loop]) -> None:
    with record(tmp_path / "run.lens", program, 6) as trace:
        replayed = [Replayer(trace).step(step) for step in range(6)]
    assert [one.step.provenance for one in replayed] == ["proved"] * 6
    assert not any(one.updates for one in replayed)


def test_a_branch_that_only_a_constant_shows_is_never_taken_for_the_other(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", branching, 9) as trace:
        steps = [Replayer(trace).step(step).step for step in range(9)]
    assert [step.provenance for step in steps] == ["proved"] * 9
    assert [factor(step) for step in steps] == [5.0, 2.0, 2.0] * 3


def test_a_branch_that_was_never_recorded_in_full_is_not_known(tmp_path: Path) -> None:
    with (
        record(tmp_path / "run.lens", branching, 9, full="1:3") as trace,
        pytest.raises(ReplayError, match=r"Step 3 was not recorded in full.*rerun FILE --full 3"),
    ):
        Replayer(trace).step(3)


def factor(step: Step) -> object:
    """The number that the product is multiplied with."""
    forward = [k for k in step.kernels if k.phase == "forward" and k.op == "aten.mul.Tensor"]
    (product,) = [kernel for kernel in forward if len(numbers(kernel)) == 1]
    return numbers(product)[0]


def numbers(kernel: Kernel) -> list[object]:
    return [a.value.value for a in kernel.inputs if isinstance(a.value, Constant)]


def test_a_structure_first_seen_light_is_recorded_in_full_when_it_comes_again(
    tmp_path: Path,
) -> None:
    with record(tmp_path / "run.lens", alternating, 14, full="0:3,100") as trace:
        levels = {step for step in trace.full_steps if step >= 7}
        assert levels == {9}
        replayed = Replayer(trace).step(7)
        assert (replayed.donor, replayed.step.provenance) == (9, "proved")
        assert Replayer(trace).step(8).donor in {0, 1, 2}


def test_a_batch_made_outside_of_torch_is_never_taken_from_another_step(tmp_path: Path) -> None:
    with record(tmp_path / "run.lens", through_numpy, 6) as trace:
        replayed = [Replayer(trace).step(step) for step in range(6)]
    assert [one.step.provenance for one in replayed] == ["proved"] * 6
    assert [one.donor for one in replayed] == list(range(6))


def test_values_too_large_to_be_kept_are_named(tmp_path: Path) -> None:
    limits = {"light": 64, "value": 64, "keyframes": 0}
    with (
        record(tmp_path / "run.lens", large, 6, **limits) as trace,
        pytest.raises(ReplayError, match=r"w was too large to be kept whole.*rerun FILE"),
    ):
        Replayer(trace).step(5)


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * 3

    @staticmethod
    def backward(_ctx: Any, *gradients: Any) -> Any:
        return gradients[0] * 3


def custom() -> Loop:
    w = torch.randn(3, requires_grad=True)
    while True:
        _Scale.apply(w).sum().backward()
        update(w)
        yield


class _Several(torch.autograd.Function):
    """Two inputs, one of them without gradient, two results, and a number of its own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float, y: torch.Tensor) -> Any:
        made = x.clamp(min=-1) * factor + y
        ctx.save_for_backward(x, made)
        return made, x.exp()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, made = ctx.saved_tensors
        return gradients[0] * made.sign() + gradients[1] * x.exp(), None, None


def several() -> Loop:
    w, y = torch.randn(3, requires_grad=True), torch.randn(3)
    while True:
        first, second = _Several.apply(w * 1.5, 2.5, y)
        (_Scale.apply(first) * second).sum().backward()
        update(w)
        yield


@pytest.mark.parametrize("program", [custom, several])
def test_custom_functions_are_proved(tmp_path: Path, program: Callable[[], Loop]) -> None:
    with record(tmp_path / "run.lens", program, 5) as trace:
        replayed = [Replayer(trace).step(step) for step in range(5)]
    assert [one.step.provenance for one in replayed] == ["proved"] * 5
    assert not any(one.updates for one in replayed)


def foreign() -> Loop:
    w = torch.randn(3, requires_grad=True)
    while True:
        torch.ops.lens_tests.twice(w).sum().backward()
        update(w)
        yield


def test_a_kernel_that_is_not_torchs_is_named(tmp_path: Path) -> None:
    library = torch.library.Library("lens_tests", "FRAGMENT")
    try:
        twice = torch.library.custom_op(
            "lens_tests::twice", lambda x: x * 2, mutates_args=(), schema="(Tensor x) -> Tensor"
        )
        twice.register_autograd(lambda _ctx, gradient: gradient * 2)
        with (
            record(tmp_path / "run.lens", foreign, 5) as trace,
            pytest.raises(ReplayError, match=r"lens_tests.twice.default.*not one of PyTorch's own"),
        ):
            Replayer(trace).step(4)
    finally:
        library._destroy()
