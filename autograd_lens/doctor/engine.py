"""Finds the rules and asks each of them about a trace."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

from autograd_lens.doctor import rules as rules_package
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.experiments import SECONDS, Experiments
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.errors import LensError, SelectionError
from autograd_lens.trace.reader import Trace

__all__ = ["HEADINGS", "KnownRule", "examine", "find_rule", "rules"]

HEADINGS = (
    "What it finds",
    "Why it is bad",
    "Evidence it needs",
    "Example",
    "Corrected",
    "When it is silent",
    "References",
)
"""The headings of every rule's page, in order."""

_LAST = "AL607"  # that the run ended early; it gives way to whatever explains why

Check = Callable[[Evidence], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule with its page and its check.

    Attributes:
        rule: What it is.
        page: Its docstring.
        check: Reads the evidence and yields findings.
    """

    rule: Rule
    page: str
    check: Check


@cache
def rules() -> tuple[KnownRule, ...]:
    """All rules, by code; every module of ``doctor/rules`` is one."""
    modules = [
        import_module(f"{rules_package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(rules_package.__path__)
    ]
    known = [KnownRule(one.RULE, one.__doc__ or "", one.check) for one in modules]
    return tuple(sorted(known, key=lambda one: one.rule.code))


def find_rule(word: str) -> KnownRule:
    """The rule with a code or a name.

    Raises:
        SelectionError: There is none.
    """
    for known in rules():
        if word.lower() in (known.rule.code.lower(), known.rule.name):
            return known
    names = ", ".join(f"{known.rule.code} {known.rule.name}" for known in rules())
    msg = f"There is no rule {word!r}."
    raise SelectionError(msg, hint=f"The rules are: {names}.")


def examine(
    trace: Trace,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    seconds: float = SECONDS,
    on_way: Callable[[str], None] | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with a recorded run, gravest first, then in the order it happened.

    Args:
        trace: The run.
        select: Codes, beginnings of codes (``"AL1"``) or names; none means all.
        ignore: The same, to be left out.
        seconds: How long experiments may take; 0 for none. A trace that replays its steps, as
            those of ``lens.open`` do, can be experimented with.
        on_way: Called with each experiment that begins, and with ``""`` behind it.
    """
    wanted, unwanted = tuple(select), tuple(ignore)
    for word in (*wanted, *unwanted):
        _check_word(word)
    evidence = Evidence(trace, Experiments(trace.laboratory, seconds, on_way))
    # Every rule is asked, so that what follows from a cause is left out of a selection as well.
    found = _causes([finding for known in rules() for finding in _findings(known, evidence)])
    kept = [
        replace(one, line=one.line or trace.line(one.source))
        for one in found
        if _chosen(one, wanted, unwanted)
    ]
    return tuple(sorted(kept, key=lambda one: (one.severity, one.step or 0, one.code)))


def _findings(known: KnownRule, evidence: Evidence) -> list[Finding]:
    """What one rule finds; where it fails, the others are asked all the same, and it is told."""
    try:
        return list(known.check(evidence))
    except LensError:
        raise
    except Exception as error:  # noqa: BLE001  a fault of ours must not cost the other findings
        rule, kind = known.rule, type(error).__name__
        msg = f"{rule.code} {rule.name} could not examine this recording ({kind}: {error})."
        warnings.warn(msg, RuntimeWarning, stacklevel=3)
        return []


def _causes(found: Sequence[Finding]) -> list[Finding]:
    """Findings that follow from no other one."""
    explained = {known.rule.code: known.rule.explains for known in rules()}
    followed = {code for finding in found for code in explained[finding.code]}
    if any(finding.severity == "error" for finding in found):
        followed.add(_LAST)
    return [finding for finding in found if finding.code not in followed]


def _chosen(finding: Finding, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> bool:
    chosen = not wanted or any(_matches(finding.code, finding.name, word) for word in wanted)
    return chosen and not any(_matches(finding.code, finding.name, word) for word in unwanted)


def _matches(code: str, name: str, word: str) -> bool:
    return name == word or code.startswith(word.upper())


def _check_word(word: str) -> None:
    if not any(_matches(known.rule.code, known.rule.name, word) for known in rules()):
        find_rule(word)
