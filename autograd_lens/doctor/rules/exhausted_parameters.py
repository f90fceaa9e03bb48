"""``model.parameters()`` was kept, and is used up after the first pass.

What it finds:
    The first update changes parameters, all later ones change nothing, and the program loops
    over a name that stands for a bare ``parameters()``.

Why it is bad:
    ``parameters()`` is a generator: it can be run through once. From the second step on the loop
    over it is empty. No error says so.

Evidence it needs:
    Light steps: one update, then none, while gradients pile up; and the line that keeps the
    generator.

Example:
    params = model.parameters()

Corrected:
    params = list(model.parameters())

When it is silent:
    Loops in which a parameter changes more than once.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, Gap
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.ledger import reached
from autograd_lens.trace.records import Source

RULE = Rule("AL507", "exhausted-parameters", "error", "light")

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a generator of parameters that was empty from the second step on."""
    indexes = reached(evidence)
    columns = [[gap for gaps in evidence.gaps(index) for gap in gaps] for index in indexes]
    if not columns or not all(_once(gaps) for gaps in columns):
        return
    run = next(evidence.runs)
    place = run.graph.source if run.graph else None
    for name, number in evidence.code(place).generators():
        loop = evidence.code(place).loops_over(name)
        if place is None or loop is None:
            continue
        source = Source(place.file, number, number, -1, -1, place.function)
        line = evidence.line(source)
        yield RULE.finding(
            title=f"{name} is empty after the first pass",
            message=f"""`{line}` keeps a generator. The loop over {name} (line {loop}) ran through
                it in the first step and updated {listed(evidence.names(indexes))}; in all later
                steps it had nothing left, and no parameter changed again.""",
            fix=f"{name} = list({line.partition('= ')[2]})",
            step=columns[0][1].run.row.step,
            events=("values of all steps",),
            source=source,
            line=line,
        )
        return


def _once(gaps: list[Gap]) -> bool:
    """Whether the first update is the only one."""
    later = gaps[1:]
    return len(later) >= _ENOUGH and gaps[0].updated and not any(gap.updated for gap in later)
