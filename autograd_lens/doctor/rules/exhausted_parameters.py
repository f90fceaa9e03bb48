"""``model.parameters()`` was kept, and is used up after the first pass.

What it finds:
    At most the first update changes parameters, all later ones change nothing, and the program
    loops over a name, or an attribute of a class of its own, that stands for a bare
    ``parameters()``.

Why it is bad:
    ``parameters()`` is a generator: it can be run through once. From the second step on the loop
    over it is empty. No error says so.

Evidence it needs:
    Light steps: one update, then none, while gradients pile up; and the line that keeps the
    generator.

Example:
    def __init__(self, parameters, lr):      # SGD(model.parameters(), 0.1)
        self.parameters, self.lr = parameters, lr

Corrected:
    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr

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

RULE = Rule(
    "AL507", "exhausted-parameters", "error", "light", explains=("AL101", "AL109", "AL503", "AL506")
)

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a generator of parameters that was empty from the second step on."""
    indexes = reached(evidence)
    columns = [[gap for gaps in evidence.gaps(index) for gap in gaps] for index in indexes]
    if not columns or not all(_once(gaps) for gaps in columns):
        return
    run = next(evidence.runs)
    place = run.graph.source if run.graph else None
    code = evidence.code(place)
    for name, number in (*code.generators(), *code.kept_arguments()):
        loop = code.loops_over(name)
        if place is None or loop is None:
            continue
        source = Source.at(place.file, number, place.function)
        line = evidence.line(source)
        yield RULE.finding(
            title=f"{name} is empty after the first pass",
            message=f"""`{line}` keeps a generator, which gives each parameter once. The first loop
                over {name} ran through it; from then on loops over it (line {loop}) had nothing
                left, and {listed(evidence.names(indexes))} never changed again.""",
            fix=f"{name} = list({line.partition('= ')[2] if 'self.' not in name else '...'})",
            step=columns[0][-1].run.row.step,
            events=("values of all steps",),
            source=source,
            line=line,
        )
        return


def _once(gaps: list[Gap]) -> bool:
    """Whether no update but the first changed anything."""
    later = gaps[1:]
    return len(later) >= _ENOUGH and not any(gap.updated for gap in later)
