"""A tape cannot make a replay take more memory than what is on it justifies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

import autograd_lens as lens
from autograd_lens.errors import ReplayError
from autograd_lens.replay.donors import Donors
from autograd_lens.replay.execute import Execution, _give
from autograd_lens.replay.limits import allowance, is_tame, memory_of_at_most
from autograd_lens.replay.plan import Plan
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import TensorSpec
from autograd_lens.trace.tape import ArgList, Const, TapeKernel, TensorSlot

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can refuse memory")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    w = torch.ones(3, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        doubled = w * 2
        (doubled * torch.zeros([3])).sum().backward()
    return tmp_path / "run.lens"


def larger(kernel: TapeKernel, size: int) -> TapeKernel:
    """The kernel with another size where it was given one."""

    def changed(value: Any) -> Any:
        is_size = isinstance(value, ArgList) and value.items == (Const("scalar", 3),)
        return ArgList((Const("scalar", size),)) if is_size else value

    args = tuple(msgspec.structs.replace(a, value=changed(a.value)) for a in kernel.args)
    return msgspec.structs.replace(kernel, args=args)


@LINUX
def test_a_tape_that_asks_for_terabytes_is_refused(recording: Path) -> None:
    with Trace(recording) as trace:
        donors = Donors(trace)
        (donor,) = donors.of(0)
        template = donor.plan.template
        kernels = tuple(larger(kernel, 1 << 42) for kernel in template.kernels)
        assert kernels != template.kernels
        plan = Plan.of(msgspec.structs.replace(template, kernels=kernels))
        situation = donors.situation(0, donor, None)
        with pytest.raises(ReplayError, match="memory"):
            Execution(plan, situation).run()
        Execution(donor.plan, situation).run()


def test_a_small_tape_asks_for_no_limit(recording: Path) -> None:
    with Trace(recording) as trace:
        (donor,) = Donors(trace).of(0)
        assert donor.plan.allowance == 0


@pytest.mark.parametrize(
    ("op", "shapes", "numbers", "tame"),
    [
        ("aten.mul.Tensor", [(100, 3), (3, 1)], [], True),
        ("aten.ger.default", [(1 << 13,), (1 << 13,)], [], False),
        ("aten.expand.default", [(1,)], [1 << 13, 1 << 13], False),
        ("aten.zeros.default", [], [1 << 25], False),
        ("aten.bincount.default", [(3,)], [], False),
    ],
)
def test_tame_is_what_cannot_make_anything_large(
    op: str, shapes: list[tuple[int, ...]], numbers: list[int], tame: bool, recording: Path
) -> None:
    with Trace(recording) as trace:
        (donor,) = Donors(trace).of(0)
        some = donor.plan.template.kernels[0]
    specs = [TensorSpec("", shape, "float32", "cpu", "intermediate") for shape in shapes]
    uses = [TensorSlot(n, 0) for n in range(len(shapes))]
    sizes = ArgList(tuple(Const("scalar", n) for n in numbers))
    args = tuple(msgspec.structs.replace(some.args[0], value=value) for value in (*uses, sizes))
    assert is_tame(msgspec.structs.replace(some, op=op, args=args), specs) == tame


@LINUX
def test_the_limit_holds_inside_and_ends_behind() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_of_at_most(1 << 27), pytest.raises(RuntimeError, match="memory"):
        torch.empty(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert torch.empty(1 << 27).numel() == 1 << 27


def test_what_a_tape_may_take_follows_from_its_sizes() -> None:
    small, large = (TensorSpec("", (n,), "float32", "cpu", "intermediate") for n in (1, 1 << 30))
    assert allowance([small]) < 1 << 31
    assert allowance([large]) > 4 << 30


def test_a_grad_that_does_not_fit_its_parameter_is_refused() -> None:
    leaf = torch.zeros(1, requires_grad=True)
    with pytest.raises(ReplayError, match=r"does not fit its parameter: .* same size\.$"):
        _give(leaf, torch.zeros(()))
    _give(leaf, torch.ones(1))
    assert leaf.grad == 1
