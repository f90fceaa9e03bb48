"""A rate that the program sets reaches some of the parameter groups only.

What it finds:
    Groups of one optimizer that began with the same rate, of which the program changes one by
    hand and leaves the others: ``group["lr"] = lr`` behind the loop over the groups, or
    ``param_groups[0]["lr"] = lr``.

Why it is bad:
    The other groups go on with the rate that they were made with: no warm-up, no decay.

Evidence it needs:
    Light steps: the numbers of each group, noted whenever they change; the text of the line.

Example:
    for group in optimizer.param_groups:
        pass
    group["lr"] = lr

Corrected:
    for group in optimizer.param_groups:
        group["lr"] = lr

When it is silent:
    Groups that were made with rates of their own, and rates that a scheduler sets.

References:
    https://docs.pytorch.org/docs/stable/optim.html#per-parameter-options
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.ledger import Rates
from autograd_lens.doctor.source import loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL515", "rate-for-some-groups", "error", "light")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find groups that keep their first rate while a group like them does not."""
    source = evidence.loop
    tree = evidence.code(source).tree if source is not None else None
    for rates in evidence.ledger.rates if tree is not None else ():
        every = [rates.of("lr", group) for group in range(len(rates.groups[0]))]
        still = [number for number, lrs in enumerate(every) if len(set(lrs)) == 1]
        moved = [number for number, lrs in enumerate(every) if len(set(lrs)) > 1]
        line = _line(tree) if still and moved and source is not None and tree is not None else 0
        if line and source is not None and _alike(evidence, rates, still, moved):
            yield _finding(Source.at(source.file, line), every)
            return


def _alike(evidence: Evidence, rates: Rates, still: list[int], moved: list[int]) -> bool:
    """Whether all groups were made with one rate, as far as the program's text tells."""
    kept = {rates.of("lr", group)[0] for group in still}
    made = evidence.code(evidence.loop).makes({one.kind for one in evidence.optimizers})
    own = any(
        isinstance(node, ast.Dict) and any(_is_lr(key) for key in node.keys)
        for call in made
        for node in ast.walk(call)
    )
    return len(kept) == 1 and not own and bool(moved)


def _is_lr(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "lr"


def _line(tree: ast.AST) -> int:
    """The line that sets the rate of one group."""
    loops = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.For) and ast.unparse(node.iter).endswith("param_groups")
    ]
    turning = {loop.target.id for loop in loops if isinstance(loop.target, ast.Name)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AugAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if not isinstance(target, ast.Subscript) or not _is_lr(target.slice):
            continue
        owner = ast.unparse(target.value)
        inside = any(loop in loops for loop in loops_around(tree, node.lineno))
        if (owner in turning and not inside) or owner.endswith("param_groups[0]"):
            return node.lineno
    return 0


def _finding(place: Source, every: list[list[float]]) -> Finding:
    went = [
        f"group {group} {'stayed at' if len(set(lrs)) == 1 else 'went from'} {number(lrs[0])}"
        + ("" if len(set(lrs)) == 1 else f" to {number(lrs[-1])}")
        for group, lrs in enumerate(every)
    ]
    return RULE.finding(
        title=f"the rate is set for one group of {len(every)}",
        message=f"""The groups were made alike, and the line sets the rate of one of them:
            {", ".join(went)}.""",
        fix='for group in optimizer.param_groups: group["lr"] = lr',
        events=("the optimizer's lr in every step",),
        source=place,
    )
