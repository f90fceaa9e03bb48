"""The run ended before backward() had run once.

What it finds:
    A recording without a single step: the program ended, an exception, Ctrl-C or a signal ended it
    before that, or no step fitted into the recording.

Why it is bad:
    There is nothing to examine.

Evidence it needs:
    How the recording ended, its events and the program's text.

Example:
    loss = loss_fn(model(x), y)    # and no loss.backward() anywhere

Corrected:
    loss = loss_fn(model(x), y)
    loss.backward()

When it is silent:
    Runs with steps; an error that ended them is printed above the findings.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.records import Event

RULE = Rule("AL607", "ended-early", "warning", "event")

_CUT = {
    "interrupted": "was interrupted",
    "killed": "was killed from outside",
    "running": "is still going on",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find runs without a step."""
    if not len(evidence.losses):
        events = {event.kind: event for event in reversed(evidence.trace.events)}
        status = evidence.trace.info.status
        if "incomplete" in events:
            yield _not_kept(events["incomplete"])
        elif evidence.failure is not None:
            yield _crash(evidence)
        else:
            yield _cut(status) if status in _CUT else _nothing(evidence)


def _not_kept(event: Event) -> Finding:
    return RULE.finding(
        title="no step was kept",
        message=f"""{event.message} That was so before the first step had ended: there is nothing to
            examine.""",
        fix="autograd-lens run --max-size 1GB ...  # or a shorter first step",
        events=("the recording's own notice",),
    )


def _crash(evidence: Evidence) -> Finding:
    source, line = evidence.failed_at
    message = evidence.failure.message if evidence.failure else ""
    where = f" in line {source.line}" if source else ""
    return RULE.finding(
        title=f"an error ended the program before any backward(): {message.partition(': ')[0]}",
        message=f"""It raised {message}{where} and ended there. No backward() had run by then, so
            no step was recorded.""",
        fix="# first that error: the line is above",
        events=("the exception that ended the run",),
        source=source,
        line=line,
    )


def _cut(status: str) -> Finding:
    return RULE.finding(
        title="no step was recorded: the run had not come so far",
        message=f"""The run {_CUT[status]}. By then, no step of it had been written: a recording
            writes twice a second.""",
        fix="autograd-lens run ...  # let the first step end",
        events=("how the run ended",),
    )


def _nothing(evidence: Evidence) -> Finding:
    calls = any(
        isinstance(node, ast.Attribute) and node.attr == "backward"
        for file in evidence.trace.items.keys("source")
        for node in ast.walk(evidence.code_of(file).tree)
    )
    why = (
        """The program's text calls backward(), but the run never came to it: a loop over nothing,
        a condition that did not hold, or another process."""
        if calls
        else """Nothing in the program's recorded text calls backward(), and a step is one turn of
        a loop that does."""
    )
    return RULE.finding(
        title="no step was recorded: backward() never ran",
        message=f"""The run ended without an error and without a single backward(). {why}""",
        fix="loss.backward()  # in the loop that is to be examined",
        events=("no run of the engine",),
    )
