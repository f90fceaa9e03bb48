"""A parameter is updated in place while autograd watches.

What it finds:
    The error "a leaf Variable that requires grad is being used in an in-place operation".

Why it is bad:
    Autograd would have to record the update as part of the next forward. It refuses instead, and
    the program stops.

Evidence it needs:
    The error that ended the run.

Example:
    w -= lr * w.grad

Corrected:
    with torch.no_grad():
        w -= lr * w.grad

When it is silent:
    No such error.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule

RULE = Rule("AL104", "leaf-modified-in-place", "error", "event")

_ERRORS = ("a leaf Variable that requires grad", "a view of a leaf Variable that requires grad")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain the error."""
    failure = evidence.failure
    if failure is None or not any(error in failure.message for error in _ERRORS):
        return
    source, line = evidence.failed_at
    yield RULE.finding(
        title="a parameter was changed in place while autograd watched",
        message=f"""`{line}` changes a tensor that requires a gradient and is a leaf: a parameter.
            PyTorch cannot tell whether this belongs to the model's computation or is an update, and
            stops. An update is not part of the computation: switch recording off around it.""",
        fix=f"with torch.no_grad():\n    {line}",
        step=failure.step,
        events=("the error",),
        source=source,
        line=line,
    )
