"""The run ended before backward() had run once.

What it finds:
    A recording without a single step: the program ended, an exception or Ctrl-C ended it before
    that, or no step fitted into the recording.

Why it is bad:
    There is nothing to examine.

Evidence it needs:
    The events of the recording and the program's text.

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


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find runs without a step."""
    if not len(evidence.losses):
        events = {event.kind: event for event in reversed(evidence.trace.events)}
        if "incomplete" in events:
            yield _not_kept(events["incomplete"])
        elif evidence.failure is not None:
            yield _crash(evidence)
        else:
            yield _nothing(evidence, interrupted="interrupt" in events)


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


def _nothing(evidence: Evidence, *, interrupted: bool) -> Finding:
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
        message=f"""The run {"was interrupted" if interrupted else "ended without an error and"}
            without a single backward(). {"" if interrupted else why}""",
        fix="loss.backward()  # in the loop that is to be examined",
        events=("no run of the engine",),
    )
