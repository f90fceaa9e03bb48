"""A tensor that backward needs was changed in place, and PyTorch noticed.

What it finds:
    The error "one of the variables needed for gradient computation has been modified by an
    inplace operation", with both lines: the one that saved the tensor and the one that changed it.

Why it is bad:
    The derivative would be computed from the wrong values, so PyTorch stops.

Evidence it needs:
    The error; for the two lines a full step.

Example:
    h = torch.sigmoid(x)
    h += 1

Corrected:
    h = torch.sigmoid(x)
    h = h + 1

When it is silent:
    No such error. Changes that PyTorch cannot notice are AL204 saved-tensor-changed, updates of
    parameters AL208 update-between-backwards.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import VERSION_ERROR, version_pair

RULE = Rule("AL203", "saved-tensor-version", "error", "event")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain the error with both lines."""
    failure = evidence.failure
    if failure is None or VERSION_ERROR not in failure.message:
        return
    step = evidence.full_step(failure.step) if failure.step is not None else None
    saved, changed = version_pair(step) if step is not None else (None, None)
    if saved is None or changed is None:
        yield _only_the_error(evidence)
        return
    if changed.phase == "update":
        return  # AL208 says more
    keeper, writer = evidence.line(saved.source), evidence.line(changed.source)
    yield RULE.finding(
        title=f"`{writer}` overwrote what `{keeper}` had saved for backward",
        message=f"""`{keeper}` keeps its tensor for the backward. `{writer}` then changed it
            in place. When backward came to the node, the values it needs were gone, and PyTorch
            stopped.""",
        fix="# write the result to a new tensor: a = a + b instead of a += b",
        step=failure.step,
        events=(f"kernel {saved.index} {saved.op}", f"kernel {changed.index} {changed.op}"),
        source=changed.source,
        line=writer,
    )


def _only_the_error(evidence: Evidence) -> Finding:
    failure = evidence.failure
    source, line = evidence.failed_at
    step = failure.step if failure else None
    return RULE.finding(
        title="a tensor that backward needs was changed in place",
        message=f"""`{line}` stopped: between the forward and this backward, a tensor that the graph
            had saved was changed in place. The step was not recorded in full, so that the line that
            changed it is not known yet.""",
        fix="# write the result to a new tensor: a = a + b instead of a += b",
        step=step,
        source=source,
        line=line,
        look=f"autograd-lens rerun {{file}} --full {step}",
    )
