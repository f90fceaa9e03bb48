"""Steps recorded from tiny programs, for tests that execute them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autograd_lens as lens
from autograd_lens.trace.records import Step

RecordStep = Callable[..., Step]


@pytest.fixture
def record_step(tmp_path: Path) -> RecordStep:
    """Records ``loss()`` and its backward twice, and gives the first step in full."""

    def record(loss: Callable[[], Any], *watched: Any) -> Step:
        with lens.record(tmp_path / "step.lens", full="all", force=True) as run:
            if watched:
                run.watch(*watched)
            for _ in run.steps(2, progress=False):
                loss().backward()
        with lens.open(tmp_path / "step.lens") as trace:
            return trace.steps[0]

    return record
