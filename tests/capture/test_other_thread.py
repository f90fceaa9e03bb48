"""One thread is recorded; that others train too is said."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

import autograd_lens as lens
from autograd_lens.replay.verify import verify


def test_a_backward_of_another_thread_is_named_once(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)

    def train() -> None:
        for _ in range(3):
            (w * w).sum().backward()

    with lens.record(tmp_path / "run.lens"):
        (w * 2).sum().backward()
        other = threading.Thread(target=train)
        other.start()
        other.join()
    with lens.open(tmp_path / "run.lens") as trace:
        (event,) = trace.events
        assert event.kind == "warning"
        assert "another thread" in event.message
        assert len(trace.rows) == 2  # this thread's backward, and the state at the end


def test_what_another_thread_changed_is_not_known_and_says_so(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)

    def turn() -> None:
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    with lens.record(tmp_path / "run.lens"):
        for _ in range(4):
            turn()
        other = threading.Thread(target=turn)
        other.start()
        other.join()
        turn()
    with lens.open(tmp_path / "run.lens") as trace:
        updates = next(one for one in verify(trace, range(5)).checks if one.name == "updates")
    assert not updates.mismatches
    (skipped,) = updates.skipped
    assert skipped.steps == (3,)
    assert "another thread of the program trained as well" in skipped.reason


def test_a_program_that_waits_for_all_threads_finds_none_of_ours(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    before = threading.enumerate()
    with lens.record(tmp_path / "run.lens"):
        w.sum().backward()
        assert threading.enumerate() == before
