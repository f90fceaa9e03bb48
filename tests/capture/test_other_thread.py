"""One thread is recorded; that others train too is said."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

import autograd_lens as lens


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


def test_a_program_that_waits_for_all_threads_finds_none_of_ours(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    before = threading.enumerate()
    with lens.record(tmp_path / "run.lens"):
        w.sum().backward()
        assert threading.enumerate() == before
