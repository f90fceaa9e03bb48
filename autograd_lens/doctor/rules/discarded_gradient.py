"""Some gradients are cleared before any update has used them.

What it finds:
    A backward whose gradients are used after some turns of the loop and thrown away after
    others: ``zero_grad()`` before every backward of an accumulation, or only in front of the one
    that is followed by the update; the last batches of an epoch, which do not make up a whole
    accumulation.

Why it is bad:
    What these batches would have taught is lost, and the update is smaller than was meant.

Evidence it needs:
    Light steps: ``.grad`` before and after each backward, and whether the parameters moved.

Example:
    for i, batch in enumerate(loader):
        optimizer.zero_grad()
        (loss_fn(model(batch)) / 4).backward()
        if (i + 1) % 4 == 0:
            optimizer.step()

Corrected:
    for i, batch in enumerate(loader):
        (loss_fn(model(batch)) / 4).backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()

When it is silent:
    Gradients that one backward leaves in another network's parameters and that are never used
    (a generator's in its discriminator), gradients that are not finite, and single batches that
    the program leaves out where it does not accumulate.

References:
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, finite, is_zero
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import Use
from autograd_lens.doctor.source import loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL109", "discarded-gradient", "warning", "light")

_ENOUGH = 2
_ASKING = frozenset({"LBFGS"})  # call a closure several times for one update, which clears


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find gradients of one line that are used at times and thrown away at others."""
    if any(one.kind in _ASKING for one in evidence.optimizers):
        return
    ledger = evidence.ledger
    found: list[tuple[int, list[Use], list[Use]]] = []
    for index in range(len(evidence.parameters)):
        uses = [use for use in ledger.uses(index) if use.writers and not is_zero(use.gap.grad)]
        lost = [use for use in uses if _is_lost(use)]
        used = [use for use in uses if use.used]
        lines = {line for use in used for line in ledger.lines(use.writers)}
        lost = [use for use in lost if set(ledger.lines(use.writers)) <= lines]
        if len(lost) >= _ENOUGH and used and _accumulates(evidence, lost, used):
            found.append((index, lost, used))
    if found:
        yield _finding(evidence, found)


def _accumulates(evidence: Evidence, lost: list[Use], used: list[Use]) -> bool:
    """Whether updates are meant for several batches; else one may be left out on purpose."""
    if any(len(use.writers) > 1 for use in used):
        return True
    source = evidence.ledger.graph(lost[0].writers[-1]).source
    return evidence.code(source).steps_every_so_often()


def _is_lost(use: Use) -> bool:
    """Whether gradients were cleared, and no optimizer made an update before."""
    idle = not use.used and (use.fresh or not use.again) and "s" not in use.gap.called
    return idle and finite(use.gap.grad)


def _finding(evidence: Evidence, found: list[tuple[int, list[Use], list[Use]]]) -> Finding:
    _, lost, used = found[0]
    names = evidence.names([index for index, _, _ in found])
    graph = evidence.ledger.graph(lost[0].writers[-1])
    source = _clearing(evidence, graph.source) or graph.source
    return RULE.finding(
        title=f"{plural(len(lost), 'time')} gradients were cleared before an update used them",
        message=f"""In step {lost[0].step}, `{evidence.line(graph.source)}` wrote gradients of
            {listed(names)}, and they were cleared while the parameters had not moved. The same
            happened {plural(len(lost), "time")}, and {plural(len(used), "update")} used gradients
            of that line: some batches count, others do not.""",
        fix="optimizer.zero_grad()  # only after optimizer.step(), and step() after the last batch",
        step=lost[0].step,
        events=(f"{names[0]}.grad", f"{names[0]} before and after"),
        source=source,
    )


def _clearing(evidence: Evidence, source: Source | None) -> Source | None:
    """The first plain ``zero_grad()`` of the innermost loop around a line that has one."""
    if source is None:
        return None
    for loop in loops_around(evidence.code(source).tree, source.line):
        for statement in loop.body:
            text = ast.unparse(statement)
            if isinstance(statement, ast.Expr) and "zero_grad" in text:
                line = statement.lineno
                return Source.at(source.file, line, function=source.function)
    return None
