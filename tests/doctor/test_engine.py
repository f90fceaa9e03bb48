"""Rules find themselves, their pages are whole, and selections select."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autograd_lens.doctor import engine, rules
from autograd_lens.doctor.engine import HEADINGS, KnownRule, examine, find_rule
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.errors import SelectionError
from autograd_lens.trace.reader import Trace
from tests.doctor.conftest import PROGRAMS, Diagnose

RULES = rules()
AREAS = {"1": "gradients", "2": "graph", "3": "numbers", "4": "loss", "5": "optimizer", "6": "data"}


def by_code(known: KnownRule) -> str:
    return known.rule.code


@pytest.mark.parametrize("known", RULES, ids=by_code)
def test_a_page_has_every_heading_in_order_and_nothing_under_them_is_empty(
    known: KnownRule,
) -> None:
    lines = known.page.splitlines()
    found = [line.removesuffix(":") for line in lines if line.removesuffix(":") in HEADINGS]
    assert tuple(found) == HEADINGS
    for position, line in enumerate(lines):
        if line.removesuffix(":") in HEADINGS:
            assert lines[position + 1].startswith("    ")


@pytest.mark.parametrize("known", RULES, ids=by_code)
def test_a_rule_is_named_after_its_file(known: KnownRule) -> None:
    assert known.check.__module__.rpartition(".")[2] == known.rule.name.replace("-", "_")
    assert known.rule.code[:2] == "AL"
    assert known.rule.code[2] in AREAS


def test_codes_and_names_are_unique_and_explained_codes_exist() -> None:
    codes = [known.rule.code for known in RULES]
    assert len(set(codes)) == len(codes) == len({known.rule.name for known in RULES})
    assert {code for known in RULES for code in known.rule.explains} <= set(codes)


def test_a_rule_is_found_by_code_and_by_name() -> None:
    assert find_rule("al101") is find_rule("stale-gradient")


def test_an_unknown_rule_is_answered_with_all_there_are() -> None:
    with pytest.raises(SelectionError, match=r"no rule 'AL999'.*AL101 stale-gradient"):
        find_rule("AL999")


def test_a_finding_carries_the_evidence(diagnose: Diagnose) -> None:
    (finding,) = diagnose(PROGRAMS / "stale_gradient" / "bad_2.py")

    assert finding.code == "AL101"
    assert finding.step == 1
    assert finding.line == "loss.backward()"
    assert finding.title.startswith("b:")
    assert "found 0.6614 there" in finding.message
    assert "the next update used 1.254" in finding.message


def test_a_finding_tells_where_it_is_seen_and_whether_steps_were_executed_for_it() -> None:
    rule = Rule("AL101", "stale-gradient", "error", "full")
    seen = rule.finding(title="", message="", fix="", step=3, events=("kernel 7 aten.log.default",))
    assert (seen.kernel, seen.executed, seen.look[-4:]) == (7, False, "3:k7")
    replayed = rule.finding(
        title="",
        message="",
        fix="",
        events=("the loss", "kernel 12", "the step was opened by replay"),
    )
    assert (replayed.kernel, replayed.executed) == (12, True)
    assert rule.finding(title="", message="Shown by executing steps 0 to 9.", fix="").executed


def test_select_and_ignore_take_codes_beginnings_and_names(
    recorded_stale_gradient: object,
) -> None:
    def codes(**words: list[str]) -> list[str]:
        return [one.code for one in examine(recorded_stale_gradient, **words)]  # type: ignore[arg-type]

    assert codes() == codes(select=["AL1"]) == codes(select=["stale-gradient"]) == ["AL101"]
    assert codes(select=["AL4"]) == codes(ignore=["AL101"]) == []
    with pytest.raises(SelectionError):
        codes(select=["AL9"])


def test_a_rule_that_fails_is_told_and_costs_no_other_finding(
    recorded_stale_gradient: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_evidence: Evidence) -> Iterator[Finding]:
        yield from ()
        msg = "no such kernel"
        raise IndexError(msg)

    other, *_ = (known for known in engine.rules() if known.rule.code != "AL101")
    asked = (replace(other, check=fails), find_rule("AL101"))
    monkeypatch.setattr(engine, "rules", lambda: asked)
    told = f"{other.rule.code} .* could not examine this recording .IndexError: no such kernel"
    with pytest.warns(RuntimeWarning, match=told):
        assert [one.code for one in examine(recorded_stale_gradient)] == ["AL101"]
