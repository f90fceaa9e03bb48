"""Gradients of earlier steps are still in ``.grad`` when the parameter is updated again.

What it finds:
    A parameter is updated, its ``.grad`` is left as it was, the next backward adds to it, and
    the next update uses the sum.

Why it is bad:
    ``backward()`` adds to ``.grad``. Without clearing, every update uses the sum of all
    gradients so far: steps grow, point in directions of long ago, and training overshoots.

Evidence it needs:
    Light steps. ``.grad`` before and after each backward, and the parameter's values: at least
    three updates that used what an earlier update had used already.

Example:
    loss.backward()
    optimizer.step()

Corrected:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

When it is silent:
    Several backwards before one update, cleared at the update (gradient accumulation); gradients
    that the program changes between two steps (momentum by hand); parameters that collect
    gradients but are not updated.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, Gap
from autograd_lens.doctor.finding import Finding, Rule, listed, plural, size

RULE = Rule("AL101", "stale-gradient", "error", "light", explains=("AL212", "AL501"))

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters whose updates used old gradients again."""
    found = [
        (index, stale)
        for index in range(len(evidence.parameters))
        if (stale := _stale_updates(evidence, index))
    ]
    if not found:
        return
    index, stale = found[0]
    names, gap = evidence.names([one for one, _ in found]), stale[0]
    graph, step, name = gap.run.graph, gap.run.row.step, evidence.parameters[index].name
    source = graph.source if graph else None
    all_of_them = len(names) == len(evidence.parameters)
    yield RULE.finding(
        title=f"{listed(names)}: updated with gradients of earlier steps still in .grad",
        message=f"""{name}.grad is not cleared between an update and the next backward. In step
            {step}, backward() found {size(gap.before)} there, which an update had used already,
            and added to it: the next update used {size(gap.grad)}. So it was
            {plural(len(stale), "time")}.
            {f"The same holds for {listed(names[1:])}." if names[1:] else ""}""",
        fix=_fix(evidence, name, {one for one, _ in found}, all_of_them=all_of_them),
        step=step,
        events=(f"{name}.grad before and after backward()",),
        source=source,
        look=f"autograd-lens trace {{file}} --steps {max(step - 1, 0)}:{step + 1}",
    )


def _fix(evidence: Evidence, name: str, stale: set[int], *, all_of_them: bool) -> str:
    holders = [one for one in evidence.optimizers if stale <= set(one.holds)]
    if all_of_them:
        holders = holders or list(evidence.optimizers)
    if holders:
        return f"{holders[0].name}.zero_grad()  # before loss.backward()"
    return f"{name}.grad = None  # after the update"


def _stale_updates(evidence: Evidence, index: int) -> list[Gap]:
    """Gaps whose update used a gradient that an earlier update had used; empty where few."""
    updates = [use for use in evidence.ledger.uses(index) if use.used]
    stale = [use.gap for use in updates if use.again and use.gap.written]
    return stale if len(stale) >= _ENOUGH and 2 * len(stale) >= len(updates) else []
