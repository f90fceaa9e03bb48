"""Programs, recorded in this very process: a process each would take seconds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograd_lens.doctor import Finding, examine
from autograd_lens.trace.reader import Trace

PROGRAMS = Path(__file__).parent / "programs"

Diagnose = Callable[[Path], tuple[Finding, ...]]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, which cost half of the time here."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def diagnose(tmp_path: Path) -> Diagnose:
    """Record a program and examine the trace."""

    def run(program: Path) -> tuple[Finding, ...]:
        import autograd_lens
        from autograd_lens.capture import run_script

        target = tmp_path / f"{program.stem}.lens"
        with warnings.catch_warnings(record=True):  # bad programs are warned by torch, too
            warnings.simplefilter("always")
            run_script(str(program), [], target)
        with autograd_lens.open(target) as trace:
            return examine(trace)

    return run


@pytest.fixture
def recorded_stale_gradient(tmp_path: Path) -> Iterator[Trace]:
    """A trace with one finding."""
    from autograd_lens.capture import run_script

    run_script(str(PROGRAMS / "stale_gradient" / "bad.py"), [], tmp_path / "stale.lens")
    with Trace(tmp_path / "stale.lens") as trace:
        yield trace
