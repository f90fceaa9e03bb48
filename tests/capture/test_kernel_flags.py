"""A kernel says whether its module was training, and whether its results require grad."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.trace.records import Kernel


def test_each_module_has_its_own_mode(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sigmoid())
    model[1].eval()
    x = torch.ones(3, 2)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            model(x).sum().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        kernels = trace.steps[0].kernels
    modes = {kernel.module: kernel.training for kernel in kernels if kernel.phase == "forward"}
    assert modes == {"0": True, "1": False, "2": True, "": None}


def test_a_step_in_another_mode_is_another_structure(tmp_path: Path) -> None:
    model, x = nn.Linear(2, 1), torch.ones(3, 2)
    with lens.record(tmp_path / "run.lens", full="all"):
        for training in (True, False, True):
            model.train(training)
            model(x).sum().backward()
            model.zero_grad(set_to_none=False)
    with lens.open(tmp_path / "run.lens") as trace:
        seen = [next(k for k in s.kernels if "addmm" in k.op).training for s in trace.steps]
    assert seen == [True, False, True]


def flags(kernels: tuple[Kernel, ...]) -> list[tuple[str, bool | None]]:
    return [(kernel.op.split(".")[1], kernel.requires_grad) for kernel in kernels]


def test_what_is_computed_without_grad_or_detached_requires_none(tmp_path: Path) -> None:
    w, x = torch.ones(2, requires_grad=True), torch.ones(2)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(3):
            with torch.no_grad():
                target = w.cos()
            unused = w.sin()  # requires grad, though no backward runs through it
            y = (w * 2 + unused.detach() + x.exp() - target).sum()
            y.backward()
            with torch.no_grad():
                w.sub_(0.1)
    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[1]
    expected = [
        *(("cos", False), ("sin", True), ("mul", True), ("detach", False), ("add", True)),
        *(("exp", False), ("add", True), ("sub", True), ("sum", True), ("ones_like", None)),
    ]
    assert flags(step.kernels)[: len(expected)] == expected
    assert flags(step.kernels)[-1] == ("sub_", False)


def test_the_first_kernel_behind_a_mark_of_the_program(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(2):
            w.sum().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        assert flags(trace.steps[1].kernels)[0] == ("sum", True)
