"""The part of the corpus that needs torch alone: nothing disturbed, nothing told to differ."""

from __future__ import annotations

import pytest

from tests.bench.corpus import Program, corpus, measure

_QUICK = [program for program in corpus() if program.quick]


def test_a_quick_part_is_there() -> None:
    assert len(_QUICK) >= 8


@pytest.mark.parametrize("program", _QUICK, ids=lambda program: program.name)
def test_a_program_runs_as_bare_and_its_steps_are_proved(program: Program) -> None:
    row = measure(program, rounds=1, ways=("default",))
    assert not row.bad, row
    assert row.proved >= 0.9 * row.steps > 0, row
