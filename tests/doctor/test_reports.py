"""Programs written after public reports, before the rules: each fault is named, no twin is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.doctor.conftest import Diagnose
from tests.doctor.twins import REPORTS, Twins

TABLE = re.compile(r"^\| (\w+) \| (https://\S+) \| (AL\d+)? *\|$", re.MULTILINE)
KNOWN = {name: rule for name, _, rule in TABLE.findall((REPORTS / "README.md").read_text("utf-8"))}


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_reported_fault_is_named_and_its_correction_is_not(
    path: Path, diagnose: Diagnose, tmp_path: Path
) -> None:
    twins = Twins.read(path)

    found = diagnose(twins.write_bug(tmp_path))
    assert [finding.code for finding in found] == ([KNOWN[path.stem]] if KNOWN[path.stem] else [])
    assert diagnose(twins.write_fixed(tmp_path)) == ()


def test_every_program_has_its_report() -> None:
    assert set(KNOWN) == {path.stem for path in REPORTS.glob("*.py")}
