"""A frozen parameter still moves.

What it finds:
    A parameter that no backward reaches any more, and that its optimizer goes on changing: by
    weight decay or by momentum, because its ``.grad`` is zero and not None. Elements that were
    pruned, whose gradients are masked, and that come back.

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

import ast
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence, Gap, is_zero
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.tape import gradient_used
from autograd_lens.trace.records import Source

RULE = Rule("AL211", "moved-without-gradient", "error", "light")

_ENOUGH = 3
_PART = 0.1  # of the elements


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
    else:
        yield from _come_back(evidence)


def _come_back(evidence: Evidence) -> Iterator[Finding]:
    """Elements that something made 0, whose gradient is 0 from then on, and that move again."""
    for index in sorted(evidence.ledger.holders):
        optimizer, group = evidence.ledger.holders[index][0]
        numbers = [part.attributes for part in optimizer.groups]
        reason = _reason(numbers[group] if group < len(numbers) else {})
        for gaps in evidence.gaps(index) if reason else ():
            step, pruned = _pruned(gaps)
            name = evidence.parameters[index].name
            count = _revived(evidence, name, step, pruned, gaps[-1]) if pruned is not None else 0
            if count:
                yield RULE.finding(
                    title=f"{name}: what was pruned comes back",
                    message=f"""In step {step}, elements of {name} were set to 0, and the gradients
                        that its updates read are 0 there since. The optimizer moves
                        {plural(count, "element")} of them all the same, with {reason}: it still has
                        what it gathered before.""",
                    fix="p.mul_(mask)  # after each optimizer.step(), or clear the momentum too",
                    step=step,
                    events=(f"{name} before and after the update",),
                    source=_pruning(evidence) or evidence.loop,
                )
                return


def _pruned(gaps: list[Gap]) -> tuple[int, npt.NDArray[np.bool_] | None]:
    """The step in which many elements became 0 that were not, and which."""
    for gap in gaps:
        before, after = gap.value, gap.after
        if before is None or after is None or not (before.complete and after.complete):
            continue
        zero = (after.array == 0) & (before.array != 0) if before.shape == after.shape else None
        if zero is not None and zero.ndim > 1 and zero.mean() > _PART:
            return gap.run.row.step, zero
    return 0, None


def _revived(
    evidence: Evidence, name: str, step: int, pruned: npt.NDArray[np.bool_], last: Gap
) -> int:
    """How many of these elements move in the end, though their gradients are 0; 0 where few."""
    value = last.value
    if value is None or not value.complete or value.shape != pruned.shape:
        return 0
    back = int((value.array != 0)[pruned].sum())
    grads = [
        gradient_used(tape, one)
        for tape in evidence.full
        for one in tape.updates
        if tape.index > step and one.parameter == name
    ]
    known = [one for one in grads if one is not None and one.complete]
    masked = [(one.array == 0)[pruned].mean() > 1 - _PART for one in known]
    return back if masked and all(masked) and back > _PART * pruned.sum() else 0


def _pruning(evidence: Evidence) -> Source | None:
    """The line that masks gradients: ``p.grad.mul_(mask)``."""
    source = evidence.loop
    for node in ast.walk(evidence.code(source).tree):
        if isinstance(node, ast.Call) and ".grad.mul_" in ast.unparse(node.func):
            return Source.at(source.file, node.lineno) if source is not None else None
    return None


def _zero(gap: Gap) -> bool:
    """Whether its ``.grad`` is there and zero."""
    return gap.grad is not None and is_zero(gap.grad)


def _reason(numbers: Mapping[str, float]) -> str:
    """What moves a parameter without a gradient, by the numbers of its group."""
    words = [
        f"{name}={numbers[name]}" for name in ("weight_decay", "momentum") if numbers.get(name)
    ]
    if numbers.get("betas[0]"):
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
