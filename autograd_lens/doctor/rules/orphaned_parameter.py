"""A trained model has parameters that no optimizer updates.

What it finds:
    A parameter that gets a gradient in every step and never moves, because no optimizer holds
    it, while others of the same model are trained: a parameter group that was left out, a layer
    that was put in or made trainable after the optimizer had been made, or an ``nn.Parameter``
    of a loss of the program's own.

Why it is bad:
    It stays as it was made, and its gradients pile up for nothing.

Evidence it needs:
    Light steps: gradients and values; and the tensors that each optimizer holds.

Example:
    optimizer = SGD(model.parameters(), lr=0.1)
    model.fc = nn.Linear(64, 10)

Corrected:
    model.fc = nn.Linear(64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)

When it is silent:
    Models of which no parameter is held at all (a critic that the generator's loss passes
    through, a network whose input is optimized), layers nearer to the input than all that is
    trained (a backbone that was left alone), and programs that update by hand.

References:
    https://docs.pytorch.org/docs/stable/optim.html#constructing-it
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import reached
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Source

RULE = Rule("AL210", "orphaned-parameter", "error", "light", explains=("AL506",))

_GAPS = 3
_THAWS = re.compile(r"requires_grad_\((True)?\)|\.requires_grad = True")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters with gradients that nobody updates."""
    holders = evidence.ledger.holders
    if not holders or not all(one.holds for one in evidence.optimizers if "lr" in one.attributes):
        return
    got = reached(evidence)
    alone = [index for index in got if index not in holders and _still(evidence, index)]
    moved = [index for index in got if index in holders and not _still(evidence, index)]
    stale = any(index is None for one in evidence.optimizers for index in one.holds)
    orphans = [index for index in alone if _belongs(evidence, index, moved, stale=stale)]
    if orphans and (moved or stale):
        yield _finding(evidence, orphans, stale=stale)


def _still(evidence: Evidence, index: int) -> bool:
    """Whether it got gradients and never moved, since it was first seen."""
    gaps = [gap for window in evidence.gaps(index) for gap in window if gap.value is not None]
    return sum(gap.written for gap in gaps) >= _GAPS and not any(gap.updated for gap in gaps)


def _belongs(evidence: Evidence, index: int, moved: list[int], *, stale: bool) -> bool:
    """Whether others of its model are trained, and something nearer to the input is."""
    kin = [other for other in moved if _model(evidence, other) == _model(evidence, index)]
    replaced = stale and evidence.parameters[index].first_step > 0
    if replaced or (stale and not moved) or (_is_late(evidence, index) and _thaws(evidence)):
        return True
    if moved and not kin and _is_made_by_hand(evidence, index):
        return True
    order = _order(evidence)
    return bool(kin) and min(order.get(one, 0) for one in kin) < order.get(index, -1)


def _is_late(evidence: Evidence, index: int) -> bool:
    """Whether a module had and used it, and it got its first gradient in a later step."""
    name = evidence.parameters[index].name
    gaps = [gap for window in evidence.gaps(index)[:1] for gap in window]
    first = next((gap.run.row.step for gap in gaps if gap.written), 0)
    return "." in name and any(
        use.spec.name == name
        for step in evidence.full
        if step.index < first
        for kernel in step.kernels
        if kernel.phase == "forward"
        for use in tensors(kernel.inputs)
    )


def _thaws(evidence: Evidence) -> bool:
    """Whether the program's text lets layers be trained that were not before."""
    text = evidence.trace.source(evidence.loop.file) if evidence.loop else None
    return bool(text) and _THAWS.search(text or "") is not None


def _is_made_by_hand(evidence: Evidence, index: int) -> bool:
    """Whether a class of the program makes it with ``nn.Parameter``: it is meant to be trained."""
    name = evidence.parameters[index].name.rpartition(".")[2]
    for call in evidence.code(evidence.loop).makes({"Parameter"}):
        statement = evidence.code(evidence.loop).statement(call.lineno)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if [ast.unparse(one) for one in targets] == [f"self.{name}"]:
            return True
    return False


def _model(evidence: Evidence, index: int) -> str:
    """The variable that holds the model of a parameter."""
    parameter = evidence.parameters[index]
    names = (parameter.name, *parameter.aliases)
    return max(names, key=len).partition(".")[0]


def _order(evidence: Evidence) -> dict[int, int]:
    """The place of each parameter in a forward, from the input on."""
    places = {parameter.name: index for index, parameter in enumerate(evidence.parameters)}
    order: dict[int, int] = {}
    for step in evidence.full:
        for kernel in step.kernels:
            if kernel.phase == "forward" and kernel.requires_grad:
                for one in kernel.inputs:
                    name = getattr(getattr(one.value, "spec", None), "name", "")
                    if name in places:
                        order.setdefault(places[name], kernel.index)
    return order


def _finding(evidence: Evidence, orphans: list[int], *, stale: bool) -> Finding:
    names = listed(evidence.names(orphans))
    step = max(evidence.parameters[index].first_step for index in orphans)
    why = (
        "an optimizer holds tensors that no backward reaches: it was made before these were put in"
        if stale
        else "no optimizer holds them"
    )
    source = _made(evidence, late=stale or step > 0)
    return RULE.finding(
        title=f"{names}: nobody updates them",
        message=f"""In {plural(len(evidence.losses), "step")}, backward() gave {names} gradients,
            and they never moved, while other parameters of the model were trained: {why}.""",
        fix="optimizer = ...  # made after the model is complete, from all of its parameters",
        step=step,
        events=("values of all steps", "what the optimizers hold"),
        source=source,
    )


def _made(evidence: Evidence, *, late: bool) -> Source | None:
    """The line that makes the optimizer; the last one, where layers came after it."""
    graph = next((graph for graph in evidence.graphs if graph.source), None)
    source = graph.source if graph else None
    made = evidence.code(source).makes({one.kind for one in evidence.optimizers})
    if source is None or not made:
        return source
    call = made[-1 if late else 0]
    return Source.at(source.file, call.lineno, end_line=call.end_lineno)
