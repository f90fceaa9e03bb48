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
from collections.abc import Iterator, Mapping

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.ledger import Rates
from autograd_lens.doctor.source import loops_around
from autograd_lens.trace.graph import argument, constant, operator_name
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL515", "rate-for-some-groups", "error", "light")

_FEWEST = 3  # full steps
_TIMES = 2.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find groups that keep their first rate while a group like them does not."""
    yield from _one_for_all(evidence)
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


def _one_for_all(evidence: Evidence) -> Iterator[Finding]:
    """Updates by hand that use one number for groups of different rates."""
    holders = evidence.ledger.holders
    rates: dict[str, float] = {}
    for index, [(optimizer, group), *_] in holders.items():
        groups = [part.attributes for part in optimizer.groups]
        rate = groups[group].get("lr") if group < len(groups) else None
        rates |= {evidence.parameters[index].name: rate} if rate else {}
    used = [_sizes(tape.step, rates) for tape in evidence.tapes[1:]]
    if len(set(rates.values())) <= 1 or len(used) < _FEWEST or not all(used):
        return
    if all(len({size for size, _ in one.values()}) == 1 and len(one) > 1 for one in used):
        apart = {rates[name] for one in used for name in one}
        changes = len({size for one in used for size, _ in one.values()}) > 1
        kernel = next(kernel for _, kernel in used[0].values())
        if max(apart) > _TIMES * min(apart) and changes:
            yield RULE.finding(
                title="groups have different rates, and all updates use one",
                message=f"""The groups of the optimizer have the rates
                    {", ".join(map(number, sorted(apart)))}, and
                    `{evidence.line(kernel.source).strip()}` multiplied the steps of all parameters
                    with the same number, {number(next(iter(used[0].values()))[0])} in step
                    {evidence.tapes[1].step.index}: the rate of one group is used for all.""",
                fix='p.add_(step, alpha=-group["lr"])  # what is kept must not hold the rate',
                step=evidence.tapes[1].step.index,
                kernel=kernel,
            )


def _sizes(step: Step, rates: Mapping[str, float]) -> dict[str, tuple[float, Kernel]]:
    """Parameter -> the number that its last update multiplied with, and the kernel."""
    found: dict[str, tuple[float, Kernel]] = {}
    for kernel in step.kernels if step.updates else ():
        target = argument(kernel, "self")
        size = constant(kernel, "value" if "addcdiv" in kernel.op else "alpha")
        own = operator_name(kernel) in ("add_", "sub_", "addcdiv_") and kernel.phase == "update"
        if own and target is not None and target.spec.name in rates and size is not None:
            found[target.spec.name] = size, kernel
    return found


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
