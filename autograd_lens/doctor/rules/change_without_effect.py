"""A line that was to change the training changes nothing.

What it finds:
    A method that is named and not called (``scheduler.step``); a rate that is set where no
    optimizer reads it (``optimizer.lr``, or the groups of ``optimizer.state_dict()``, which are
    copies); a scheduler that is made and never used.

Why it is bad:
    The program goes on as if the line were not there.

Evidence it needs:
    The program's text, and the rates of all updates, which never change.

Example:
    for group in optimizer.state_dict()["param_groups"]:
        group["lr"] *= 0.5

Corrected:
    for group in optimizer.param_groups:
        group["lr"] *= 0.5

When it is silent:
    Rates that change, and schedulers that are handed on to something else.

References:
    https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL513", "change-without-effect", "error", "light")

_METHODS = frozenset({"step", "zero_grad", "backward", "eval", "train"})
_SCHEDULERS = frozenset({"CosineAnnealingWarmRestarts", "ReduceLROnPlateau", "SequentialLR"})
_FEWEST_STEPS = 3
_Case = tuple[int, str, str, str]  # line, title, what happens, fix


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such line."""
    source = evidence.loop
    if source is None or of_a_library(source) or len(evidence.losses) < _FEWEST_STEPS:
        return
    tree = evidence.code(source).tree
    rate = _only_rate(evidence)
    cases = [_uncalled(tree)]
    if rate is not None:
        rated = f"all {plural(len(evidence.losses), 'step')} used the rate {number(rate)}"
        cases += [_elsewhere(evidence, tree, rated), _unused(tree, rated)]
    for case in cases:
        if case is not None:
            line, title, what, fix = case
            place = Source.at(source.file, line)
            yield RULE.finding(
                title=title,
                message=what,
                fix=fix,
                events=("the optimizer's lr in every step",),
                source=place,
            )
            return


def _only_rate(evidence: Evidence) -> float | None:
    """The one rate of all updates, None where it changed or is not known."""
    known = {
        rate
        for rates in evidence.ledger.rates
        for group in range(len(rates.groups[0]))
        for rate in rates.of("lr", group)
    }
    return known.pop() if len(known) == 1 else None


def _uncalled(tree: ast.AST) -> _Case | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Attribute):
            text = ast.unparse(node.value)
            if node.value.attr in _METHODS:
                return (
                    node.lineno,
                    f"{text} is named and not called",
                    f"`{text}` without brackets is the method itself: the line does nothing.",
                    f"{text}()",
                )
    return None


def _elsewhere(evidence: Evidence, tree: ast.AST, rated: str) -> _Case | None:
    names = {one.name for one in evidence.optimizers}
    sets = any(_sets_lr(one) for one in ast.walk(tree))
    for node in ast.walk(tree):
        if sets and isinstance(node, ast.Subscript):
            owner, copied, rest = ast.unparse(node).partition(".state_dict()['param_groups']")
            if copied and not rest:
                return (
                    node.lineno,
                    "a rate is set in copies of the parameter groups",
                    f"state_dict() copies the groups of {owner}, and {rated}.",
                    f"{owner}.param_groups  # the groups themselves",
                )
        for target in node.targets if isinstance(node, ast.Assign) else ():
            owner, attribute, rest = ast.unparse(target).partition(".lr")
            if attribute and not rest and owner in names:
                return (
                    target.lineno,
                    f"{owner}.lr is read by nobody",
                    f"An optimizer keeps its rate in its parameter groups, and {rated}.",
                    f'for group in {owner}.param_groups: group["lr"] = ...',
                )
    return None


def _sets_lr(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AugAssign) else targets
    return any(ast.unparse(one).endswith("['lr']") for one in targets)


def _unused(tree: ast.AST, rated: str) -> _Case | None:
    """A scheduler whose name is never read again."""
    read = [
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        kind, target = called(node.value), node.targets[0]
        schedules = kind in _SCHEDULERS or (kind.endswith("LR") and kind != "LR")
        if schedules and isinstance(target, ast.Name) and target.id not in read:
            return (
                node.lineno,
                f"{target.id} is made and never used",
                f"Nothing calls {target.id}.step(): {rated}.",
                f"{target.id}.step()  # after the updates of each epoch",
            )
    return None
