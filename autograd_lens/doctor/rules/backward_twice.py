"""Backward runs a second time through a graph that was freed.

What it finds:
    The error "Trying to backward through the graph a second time", and which of the usual two
    reasons it has: the same loss twice, or a tensor of an earlier step in this step's graph.

Why it is bad:
    Backward frees what the graph keeps. A second run needs it again. Where a state is carried
    from step to step without ``detach()``, each backward would also go through all steps so far.

Evidence it needs:
    The error, and how many backwards ran before it on which lines.

Example:
    h = rnn(x, h)
    loss_fn(h).backward()

Corrected:
    h = rnn(x, h.detach())
    loss_fn(h).backward()

When it is silent:
    No such error.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import EngineRun, Evidence
from autograd_lens.doctor.finding import Finding, Rule

RULE = Rule("AL202", "backward-twice", "error", "event")

_ERROR = "backward through the graph a second time"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain the error."""
    failure = evidence.failure
    runs = list(evidence.runs)
    failed = next((run for run in runs if run.graph and _ERROR in run.graph.error), None)
    if failure is None or _ERROR not in failure.message or failed is None:
        return
    source, line = evidence.failed_at
    before = runs[: runs.index(failed)]
    reason, fix = _reason(failed, before)
    yield RULE.finding(
        title="backward() met a graph that an earlier backward() had freed",
        message=f"`{line}` in step {failed.row.step}: {reason}",
        fix=fix,
        step=failed.row.step,
        events=(f"backward of step {failed.row.step}",),
        source=source,
        line=line,
    )


def _reason(failed: EngineRun, before: list[EngineRun]) -> tuple[str, str]:
    same_step = [run for run in before if run.row.step == failed.row.step]
    if same_step and same_step[-1].row.loss == failed.row.loss:
        reason = f"""the loss is the one that backward() ran on just before; its graph of
            {same_step[-1].nodes} nodes was freed then."""
        return (
            reason,
            "loss.backward()  # once; where two are meant: retain_graph=True in the first",
        )
    grown = ""
    if before and failed.nodes > before[-1].nodes:
        grown = f"It had {before[-1].nodes} nodes one backward earlier and has {failed.nodes} now."
    reason = f"""the loss depends on a tensor of an earlier step (a hidden state, a running total),
        so that the graph reaches back into that step, whose values are gone. {grown}"""
    return reason, "h = h.detach()  # what is carried over to the next step"
