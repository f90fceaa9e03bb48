"""The loop runs, and no parameter ever changes.

What it finds:
    Gradients arrive in every step and are cleared in every step, yet nothing is updated: the
    update is missing, or its learning rate is 0.

Why it is bad:
    The model does not learn; on the same batch the loss is the same number in every step.

Evidence it needs:
    Light steps: gradients other than zero, values that stay the same. Beside it an optimizer
    whose ``step()`` the program never calls, or whose ``lr`` is 0.

Example:
    optimizer.zero_grad()
    loss.backward()

Corrected:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

When it is silent:
    Programs without an optimizer (they look at gradients), and whatever another rule explains.

References:
    https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import EngineRun, Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, number, plural
from autograd_lens.doctor.ledger import reached, standing_still
from autograd_lens.trace.kept import Optimizer

RULE = Rule("AL506", "no-progress", "error", "light")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a loop that updates nothing."""
    indexes = reached(evidence)
    if len(evidence.optimizers) != 1 or not indexes or not standing_still(evidence, indexes):
        return
    optimizer = evidence.optimizers[0]
    run = next(evidence.runs)
    if optimizer.attributes["lr"] == 0 and _updated(evidence):
        why, fix = f"{optimizer.name} has lr = 0: its step() adds nothing.", "lr=0.01"
    elif not _calls_step(evidence, run, optimizer):
        why = f"Nothing calls {optimizer.name}.step()."
        fix = f"{optimizer.name}.step()  # after loss.backward()"
    else:
        return
    yield _finding(evidence, run, listed(evidence.names(indexes)), why, fix)


def _finding(evidence: Evidence, run: EngineRun, names: str, why: str, fix: str) -> Finding:
    source = run.graph.source if run.graph else None
    losses = evidence.losses
    same = float(losses[0]) == float(losses[-1])
    shown = (
        f" The loss is {number(float(losses[0]))} in the first step and in the last."
        if same
        else ""
    )
    return RULE.finding(
        title="gradients arrive, but no parameter ever changes",
        message=f"""In {plural(len(losses), "step")}, backward() gave {names} a gradient, and none
            of them ever changed. {why}{shown}""",
        fix=fix,
        step=run.row.step,
        events=("values of all steps",),
        source=source,
    )


def _updated(evidence: Evidence) -> bool:
    return any(kernel.phase == "update" for step in evidence.full for kernel in step.kernels)


def _calls_step(evidence: Evidence, run: EngineRun, optimizer: Optimizer) -> bool:
    """Whether the program's text has such a call anywhere; True where the text is unknown."""
    tree = evidence.code(run.graph.source if run.graph else None).tree
    calls = [
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    known = any(call.attr == "backward" for call in calls)
    own = optimizer.name.rpartition(".")[2]
    return not known or any(
        call.attr == "step" and ast.unparse(call.value).rpartition(".")[2] == own for call in calls
    )
