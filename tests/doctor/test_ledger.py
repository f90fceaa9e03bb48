"""The ledger of a run: which gradients an update used, and how rates went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import autograd_lens as lens
from autograd_lens.doctor import examine
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.ledger import Ledger
from autograd_lens.trace.reader import Trace

HEAD = """
import torch
w = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9)
"""

Record = Callable[[str], Trace]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Record a loop and open its trace."""

    def run(loop: str) -> Trace:
        from autograd_lens.capture import run_script

        script = tmp_path / "loop.py"
        script.write_text(HEAD + loop)
        run_script(str(script), [], tmp_path / "loop.lens")
        return Trace(tmp_path / "loop.lens")

    return run


def test_each_update_knows_the_backwards_whose_gradients_it_used(record: Record) -> None:
    with record(
        "for i in range(6):\n"
        "    (w * w).sum().backward()\n"
        "    if i % 2:\n"
        "        optimizer.step()\n"
        "        optimizer.zero_grad()\n"
    ) as trace:
        uses = Ledger(Evidence(trace)).uses(0)
        assert [len(use.writers) for use in uses] == [2, 2, 2]
        assert all(use.used and use.cleared and not use.again for use in uses)


def test_a_gradient_that_is_not_cleared_is_used_again(record: Record) -> None:
    with record(
        "for i in range(4):\n    (w * w).sum().backward()\n    optimizer.step()\n"
    ) as trace:
        uses = Ledger(Evidence(trace)).uses(0)
        assert [use.again for use in uses] == [False, True, True, True]


def test_a_new_optimizer_is_noticed_though_its_numbers_are_the_same(record: Record) -> None:
    with record(
        "for i in range(4):\n"
        "    optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9)\n"
        "    (w * w).sum().backward()\n"
        "    optimizer.step()\n"
        "    optimizer.zero_grad()\n"
    ) as trace:
        (rates,) = Ledger(Evidence(trace)).rates
        assert rates.of("lr") == [0.5] * 4
        assert rates.renewed == [1, 2, 3]


def test_the_package_can_be_called(record: Record) -> None:
    with record("(w * w).sum().backward()\n") as trace:
        assert lens.doctor(trace) == examine(trace) == ()
