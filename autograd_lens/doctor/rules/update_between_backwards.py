"""Parameters are updated while a graph that needs their old values is still to be used.

What it finds:
    ``step()`` between two backwards whose graphs share parameters; the second backward stops
    with the error "modified by an inplace operation".

Why it is bad:
    The second graph was made with the old parameters. Its gradients need them, and they are gone.

Evidence it needs:
    The error, and a full step that shows the update between the forward and the backward.

Example:
    loss_a.backward(retain_graph=True)
    optimizer.step()
    loss_b.backward()

Corrected:
    loss_a.backward(retain_graph=True)
    loss_b.backward()
    optimizer.step()

When it is silent:
    No such error; a forward of its own for each backward.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import VERSION_ERROR, version_pair

RULE = Rule("AL208", "update-between-backwards", "error", "full")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain the error where an update caused it."""
    failure = evidence.failure
    if failure is None or failure.step is None or VERSION_ERROR not in failure.message:
        return
    step = evidence.full_step(failure.step)
    saved, changed = version_pair(step) if step else (None, None)
    if saved is None or changed is None or changed.phase != "update":
        return
    parameter = next((output.spec.name for output in changed.outputs), "a parameter")
    update, keeper = evidence.line(changed.source), evidence.line(saved.source)
    _, failed = evidence.failed_at
    yield RULE.finding(
        title=f"`{update}` changed {parameter} before `{failed}` had used it",
        message=f"""`{keeper}` computed with {parameter} and keeps it for its backward. `{update}`
            then updated {parameter}, and after that `{failed}` went through that graph: the values
            that it was made with were gone.""",
        fix="# call backward() on every loss first, then step(); or compute the second loss anew",
        step=failure.step,
        events=(f"kernel {saved.index} {saved.op}", f"kernel {changed.index} {changed.op}"),
        source=changed.source,
        line=update,
    )
