"""What most rules have in common: they look at each full step's tape, and tell each case once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Kernel, Source

__all__ = ["Case", "told"]


@dataclass(frozen=True, slots=True)
class Case:
    """Something wrong at one kernel.

    Attributes:
        kernel: Where it shows.
        title: What happened, one short line.
        what: The same in full, as it goes on behind "In step 3 (`the line`), ".
        fix: The corrected line or lines of code.
        place: The line to be corrected, where it is not the kernel's.
    """

    kernel: Kernel
    title: str
    what: str
    fix: str
    place: Source | None = None


def told(
    rule: Rule,
    evidence: Evidence,
    look: Callable[[TapeIndex], Iterable[Case | None]],
    *,
    fewest: int = 1,
) -> Iterator[Finding]:
    """The findings of a rule that looks at one tape at a time: the first case of each title.

    Args:
        rule: The rule.
        evidence: What is examined.
        look: Finds the cases of a tape.
        fewest: How many tapes must have a case, for what may be so by chance in one.
    """
    cases = [[case for case in look(tape) if case is not None] for tape in evidence.tapes]
    if sum(map(bool, cases)) < fewest:
        return
    titles = set[str]()
    for tape, found in zip(evidence.tapes, cases, strict=True):
        for case in found:
            if case.title not in titles:
                titles.add(case.title)
                yield _finding(rule, evidence, tape, case)


def _finding(rule: Rule, evidence: Evidence, tape: TapeIndex, case: Case) -> Finding:
    kernel, source = case.kernel, case.place or case.kernel.source
    return rule.finding(
        title=case.title,
        message=f"In step {tape.step.index} (`{evidence.line(kernel.source)}`), {case.what}.",
        fix=case.fix,
        step=tape.step.index,
        kernel=kernel,
        source=source,
    )
