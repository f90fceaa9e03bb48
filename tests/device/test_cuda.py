"""Programs on a CUDA device, bare and recorded; skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

Losses = Iterator[torch.Tensor]


def plain() -> Losses:
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1)).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    x, y = torch.rand(16, 6, device="cuda"), torch.rand(16, 1, device="cuda")
    while True:
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss


def mixed() -> Losses:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cuda")
    x, y = torch.rand(16, 6, device="cuda"), torch.rand(16, 1, device="cuda")
    while True:
        with torch.autocast("cuda"):
            loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        yield loss


def channels_last() -> Losses:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 1))
    model = model.cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.rand(5, 3, 8, 8, device="cuda").contiguous(memory_format=torch.channels_last)
    while True:
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss


def captured() -> Losses:
    """A step inside of a CUDA graph, which no copy to the host may join."""
    w = torch.ones(8, device="cuda", requires_grad=True)
    x, total = torch.rand(8, device="cuda"), torch.zeros((), device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        (w * x).sum().backward()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    w.grad = None
    with torch.cuda.graph(graph):
        loss = (w * x).square().sum()
        loss.backward()
        total.copy_(loss)
    while True:
        graph.replay()
        yield total.clone()


PROGRAMS = [plain, mixed, channels_last, captured]


def losses(program: Callable[[], Losses]) -> list[float]:
    torch.manual_seed(0)
    running = program()
    return [float(next(running)) for _ in range(8)]


@pytest.mark.parametrize("full", ["none", "all"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_computes_what_it_computes_bare(
    program: Callable[[], Losses], full: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses(program)  # libraries choose their kernels now
    bare = losses(program)
    with lens.record(tmp_path / "run.lens", full=full):
        recorded = losses(program)
    assert recorded == bare
    assert "recording met something" not in capsys.readouterr().err


@pytest.mark.parametrize("program", [plain, mixed, channels_last], ids=lambda one: one.__name__)
def test_what_is_recorded_is_what_the_device_holds(
    program: Callable[[], Losses], tmp_path: Path
) -> None:
    bare = losses(program)
    with lens.record(tmp_path / "run.lens", full="0:3"):
        losses(program)
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 8
        found = [float(loss) for loss in trace.losses]
    scaled = program is mixed  # what backward was called on
    assert found == pytest.approx(bare) or scaled
