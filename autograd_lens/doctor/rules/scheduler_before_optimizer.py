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

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.records import Finding, Rule
from autograd_lens.trace.records import Event, Source

RULE = Rule("AL508", "scheduler-before-optimizer", "warning", "event")

_WARNING = "Detected call of `lr_scheduler.step()` before `optimizer.step()`"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find PyTorch's warning of the wrong order."""
    for event in evidence.trace.events:
        if event.kind == "warning" and event.message.startswith(_WARNING):
            source = _place(event)
            if "GradScaler" not in (evidence.trace.source(source.file) or ""):
                yield _finding(evidence, source)
            return


def _place(event: Event) -> Source:
    """The program's line, from the first line of the detail: ``file:line: Category``."""
    file, _, rest = event.detail.partition("\n")[0].rpartition(": ")[0].rpartition(":")
    line = int(rest) if rest.isdigit() else 0
    return Source(file, line, line, -1, -1, "")


def _finding(evidence: Evidence, source: Source) -> Finding:
    line = evidence.line(source) or "scheduler.step()"
    return RULE.finding(
        title="the scheduler steps before the optimizer",
        message=f"""`{line}` ran before the first update, so the learning rate that the
            schedule begins with was never used, and each update had the rate of the one after
            it. PyTorch warned of it when it happened.""",
        fix=f"optimizer.step()\n{line}  # behind it, once an epoch or once a step",
        step=0,
        events=("a warning of torch",),
        source=source if source.line else None,
        line=line,
    )
