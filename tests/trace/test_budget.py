"""A recording keeps to its budget, the log beside it included, and gives up detail for that."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.capture.recorder import Limits
from autograd_lens.trace.budget import Budget, Level
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.writer import TraceWriter

MB = 1 << 20


@contextmanager
def watched(path: Path) -> Iterator[list[int]]:
    """The sizes that a recording has on the disk while it is written, everything included."""
    sizes, stop = [0], Flag()

    def look() -> None:
        while not stop.wait(0.001):
            files = [one for one in path.parent.iterdir() if one.name.startswith(path.name)]
            total = 0
            for one in files:
                try:
                    total += one.stat().st_size
                except OSError:  # it was let go meanwhile
                    continue
            sizes.append(total)

    looking = Thread(target=look)
    looking.start()
    try:
        yield sizes
    finally:
        stop.set()
        looking.join()


def test_detail_goes_step_by_step_as_the_file_fills() -> None:
    budget = Budget(32 * MB)
    room = 30 * MB
    levels = []
    for filled in (0.4, 0.6, 0.8, 0.9, 0.99):
        budget.wrote(int(filled * room), 0)
        levels.append(budget.level)
    assert levels == list(Level)
    assert budget.share == 0


def test_what_waits_counts_as_written() -> None:
    budget = Budget(32 * MB)
    assert budget.take(20 * MB, Level.ROWS, MB)
    assert not budget.take(20 * MB, Level.ROWS, MB)
    budget.give(20 * MB)
    assert budget.take(20 * MB, Level.ROWS, MB)
    budget.wrote(2 * MB, budget.asked)  # it could be compressed
    assert budget.take(20 * MB, Level.ROWS, MB)


def batches(layer: nn.Linear, steps: int) -> None:
    """A training whose batches, state and parameters are far more than the budgets here."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    for _ in range(steps):
        x = torch.randn(32, layer.in_features)
        optimizer.zero_grad()
        layer(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize(("size", "full"), [(2 * MB, "default"), (4 * MB, "all")])
def test_a_recording_never_exceeds_its_budget(tmp_path: Path, size: int, full: str) -> None:
    torch.manual_seed(0)
    path = tmp_path / "run.lens"
    layer = nn.Linear(130, 130)
    with watched(path) as sizes, lens.record(path, full=full, limits=Limits(size=size)):
        batches(layer, 150)
    assert max(sizes) <= size
    assert path.stat().st_size <= size
    with Trace(path) as trace:
        assert {event.kind for event in trace.events} & {"warning", "incomplete"}
        assert "--max-size" in trace.events[0].message
        assert len(trace.steps) > 0
        assert list(trace.losses[:3]) == [trace.steps[step].loss for step in range(3)]


def test_keyframes_that_are_let_go_leave_their_room(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    writer = TraceWriter.create(path, RunInfo(program=""), size=8 * MB)
    for step in range(40):
        writer.keep(step, [os.urandom(MB)])
        if step > 1:
            writer.keep(step - 2, [])
    writer.close("finished")
    assert path.stat().st_size < 5 * MB
    assert not writer.budget.spent


def test_a_value_that_a_row_holds_stays_when_a_keyframe_goes(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    value = bytes(range(256)) * 64
    writer = TraceWriter.create(path, RunInfo(program=""))
    writer.keep(0, [value])
    writer.keep(5, [value])
    writer.keep(0, [])
    writer.rows.append((0, -1, None, (value,), (None,), ()))
    writer.keep(5, [])
    writer.close("finished")
    with Trace(path) as trace:
        assert trace.rows.row(0).values == (value,)


def test_a_run_of_many_values_is_committed_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    with watched(path) as sizes:
        writer = TraceWriter.create(path, RunInfo(program=""), size=32 * MB)
        for step in itertools.count():
            if step * MB > 20 * MB:
                break
            writer.keep(step, [os.urandom(MB)])
        writer.close("finished")
    assert max(sizes) <= 1.2 * path.stat().st_size


def test_a_value_that_all_full_steps_share_takes_its_room_once(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    data = os.urandom(2 * MB)
    writer = TraceWriter.create(path, RunInfo(program=""), size=8 * MB)
    for step in range(40):
        writer.full(step, 0, [data, os.urandom(MB // 25)])
    writer.close("finished")
    assert not writer.budget.spent
    with Trace(path) as trace:
        assert trace.full_steps == tuple(range(40))
