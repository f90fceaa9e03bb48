"""The scheduler steps before the optimizer.

What it finds:
    ``scheduler.step()`` called before the first ``optimizer.step()``, of which PyTorch warns.

Why it is bad:
    The first value of the schedule is skipped: the first update already uses the second
    learning rate, and every later one is a step ahead of the plan.

Evidence it needs:
    PyTorch's warning, and the line that it was raised from.

Example:
    for epoch in range(100):
        scheduler.step()
        train(...)

Corrected:
    for epoch in range(100):
        train(...)
        scheduler.step()

When it is silent:
    Programs with a GradScaler: it may skip the first update on purpose, and the same warning
    comes then. Programs that filter the warning out.

References:
    https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, warned
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.records import Source

RULE = Rule("AL508", "scheduler-before-optimizer", "warning", "event")

_WARNING = "Detected call of `lr_scheduler.step()` before `optimizer.step()`"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find PyTorch's warning of the wrong order."""
    found = warned(evidence, _WARNING)
    source = found[1] if found else None
    text = evidence.trace.source(source.file) if source else None
    if found and "GradScaler" not in (text or ""):
        yield _finding(evidence, source)


def _finding(evidence: Evidence, source: Source | None) -> Finding:
    name = evidence.optimizers[0].name if evidence.optimizers else "optimizer"
    line = evidence.line(source) or "scheduler.step()"
    return RULE.finding(
        title="the scheduler steps before the optimizer",
        message=f"""`{line}` ran before the first update, so the learning rate that the
            schedule begins with was never used, and each update had the rate of the one after
            it. PyTorch warned of it when it happened.""",
        fix=f"{name}.step()\n{line}  # behind it, once an epoch or once a step",
        step=0,
        events=("a warning of torch",),
        source=source,
        line=line,
    )
