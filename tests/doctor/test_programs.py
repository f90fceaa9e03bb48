"""Programs as beginners write them, run for real: each bad one gives its own finding."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from autograd_lens.doctor import Finding, rules
from autograd_lens.trace.selection import Place
from tests.doctor.conftest import PROGRAMS, Diagnose
from tests.doctor.test_reports import KNOWN

BAD = sorted(PROGRAMS.glob("*/bad*.py"))
GOOD = sorted(PROGRAMS.glob("*/good*.py")) + sorted(PROGRAMS.glob("healthy/*.py"))
# what else is truly wrong with a program
ALSO: dict[str, set[str]] = {"state_behind_padding/bad": {"setting-unread"}}


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("program", BAD, ids=named)
def test_a_bad_program_gives_its_own_finding(program: Path, diagnose: Diagnose) -> None:
    expected = {program.parent.name.replace("_", "-")} | ALSO.get(named(program), set())
    findings = diagnose(program)
    assert {finding.name for finding in findings} == expected
    for finding in findings:
        check_command(finding)


def check_command(finding: Finding) -> None:
    """What a finding says to type names a step of the run, where it names a place."""
    words = shlex.split(finding.look.replace("{file}", "run.lens"))
    assert words[:1] in ([], ["autograd-lens"])
    if "--at" in words:
        assert Place.parse(words[words.index("--at") + 1], 1000).step == finding.step


@pytest.mark.parametrize("program", GOOD, ids=named)
def test_a_healthy_program_gives_none(program: Path, diagnose: Diagnose) -> None:
    assert diagnose(program) == ()


def test_every_rule_has_a_bad_program_and_a_good_twin() -> None:
    reported = set(KNOWN.values())
    names = {one.rule.name.replace("-", "_") for one in rules() if one.rule.code not in reported}
    bad, good = ({path.parent.name for path in paths} for paths in (BAD, GOOD))
    assert names <= bad
    assert bad <= {one.rule.name.replace("-", "_") for one in rules()}
    assert bad <= good
