"""A frozen parameter still moves.

What it finds:
    A parameter that no backward reaches any more, and that its optimizer goes on changing: by
    weight decay or by momentum, because its ``.grad`` is zero and not None.

Why it is bad:
    It was frozen to keep what it had learned, and it drifts away from that.

Evidence it needs:
    Light steps: which parameters each backward reached, and their values.

Example:
    backbone.requires_grad_(False)
    optimizer.zero_grad(set_to_none=False)

Corrected:
    backbone.requires_grad_(False)
    optimizer = SGD(head.parameters(), lr=0.1, weight_decay=1e-4)

When it is silent:
    Parameters that a backward reaches again later, moving averages, and copies that the program
    makes itself.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, Gap, is_zero
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.trace.records import Source

RULE = Rule("AL211", "moved-without-gradient", "error", "light")

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that move though nothing reaches them any more."""
    found: list[tuple[int, list[Gap], str]] = []
    for index in sorted(evidence.ledger.holders):
        optimizer, group = evidence.ledger.holders[index][0]
        numbers = [part.attributes for part in optimizer.groups]
        reason = _reason(numbers[group] if group < len(numbers) else {})
        gaps = [gap for window in evidence.gaps(index) for gap in window]
        last = max((place for place, gap in enumerate(gaps) if gap.written), default=None)
        drift = [gap for gap in gaps[(last or 0) + 2 :] if gap.updated and _zero(gap)]
        if last is not None and reason and len(drift) >= _ENOUGH:
            found.append((index, drift, reason))
    if found:
        yield _finding(evidence, found)


def _zero(gap: Gap) -> bool:
    """Whether its ``.grad`` is there and zero."""
    return gap.grad is not None and is_zero(gap.grad)


def _reason(numbers: object) -> str:
    get = getattr(numbers, "get", dict[str, float]().get)
    words = []
    if get("weight_decay"):
        words.append(f"weight_decay={get('weight_decay')}")
    if get("momentum"):
        words.append(f"momentum={get('momentum')}")
    if get("betas[0]"):
        words.append("the momentum of its state")
    return " and ".join(words)


def _finding(evidence: Evidence, found: list[tuple[int, list[Gap], str]]) -> Finding:
    _, drift, reason = found[0]
    names = listed(evidence.names([index for index, _, _ in found]))
    graph = drift[0].run.graph
    source = _clearing(evidence, graph.source if graph else None)
    return RULE.finding(
        title=f"{names}: no gradient reaches them any more, and they move",
        message=f"""Since step {drift[0].run.row.step}, no backward reaches {names}. Their .grad is
            zero, not None, so the optimizer still updates them, with {reason}.""",
        fix="optimizer.zero_grad(set_to_none=True)  # or an optimizer without the frozen ones",
        step=drift[0].run.row.step,
        events=(f"{evidence.parameters[found[0][0]].name} before and after the update",),
        source=source,
    )


def _clearing(evidence: Evidence, source: Source | None) -> Source | None:
    """The line around backward that clears and leaves zeros."""
    for _, method, line in evidence.code(source).calls(source.line) if source else ():
        if method == "zero_grad" and source is not None:
            return Source.at(source.file, line, function=source.function)
    return source
