"""A fix that is printed as code mends the program it is printed for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.conftest import PROGRAMS, Diagnose
from tests.doctor.fixes import applied

# One of each kind of fix; the benchmark of the doctor applies all that can be.
QUICK = [
    "cleared_before_step/bad",
    "leaf_modified_in_place/bad",
    "learning_rate_too_high/bad",
    "learning_rate_too_low/bad_3",
    "no_progress/bad",
    "rebound_parameter/bad_2",
]
_TURNS = 3  # lines that one finding after the other is about


@pytest.mark.parametrize("name", QUICK)
def test_a_fix_is_applied_and_its_finding_is_gone(
    name: str, diagnose: Diagnose, tmp_path: Path
) -> None:
    text = (PROGRAMS / f"{name}.py").read_text("utf-8")
    found = diagnose(PROGRAMS / f"{name}.py")
    for turn in range(_TURNS):
        fixed = applied(text, found[0])
        assert fixed is not None
        program = tmp_path / f"fixed_{turn}.py"
        program.write_text(fixed, "utf-8")
        text, found = fixed, diagnose(program)
        if not found:
            return
    assert found == ()
