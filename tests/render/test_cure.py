"""What was tried is a table that fits the terminal."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from autograd_lens.render.cure import render_cure
from autograd_lens.trace.outcomes import Cure, Trial


def trial(name: str, losses: list[float], *, falls: bool = False) -> Trial:
    return Trial(name, np.array(losses), np.ones(len(losses), bool), bool(falls))


@pytest.mark.parametrize(("width", "first"), [(80, False), (100, True), (120, True)])
def test_each_trial_has_one_line_however_narrow_the_terminal(width: int, *, first: bool) -> None:
    losses = [127.679, *10.0 ** np.arange(12), np.inf]
    trials = (
        trial("as recorded", losses),
        trial("half of the learning rate: 0.51", losses[:8], falls=True),
        trial("without the batch of steps 88 and 89", losses),
    )
    found = Cure(89, 0, 109, np.array(losses), "Proved.", trials, None)
    console = Console(width=width, record=True)
    console.print(render_cure(found, width=width))
    lines = console.export_text().splitlines()
    rows = [line for line in lines if any(one.name in line for one in trials) and "█" in line]
    assert len(rows) == len(trials)
    assert all("breaks in step 13" in row for row in (rows[0], rows[2]))
    assert any("first loss" in line for line in lines) is first
