"""The optimizer is made anew in the loop.

What it finds:
    An optimizer with momentum or other state that another object replaces every few steps, for
    the same parameters.

Why it is bad:
    Momentum and the averages of Adam begin at zero each time, so that the updates are others
    than the method's; a scheduler made along with it never comes to its second value.

Evidence it needs:
    Light steps, which note the numbers of every new optimizer, and the line that makes it inside
    a loop.

Example:
    for epoch in range(30):
        optimizer = Adam(model.parameters(), lr=1e-3)

Corrected:
    optimizer = Adam(model.parameters(), lr=1e-3)
    for epoch in range(30):
        ...

When it is silent:
    Plain gradient descent, which has no state; a new optimizer for a new model; and one that is
    used for many steps before it is replaced.

References:
    https://docs.pytorch.org/docs/stable/optim.html#base-class
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.ledger import Rates
from autograd_lens.doctor.source import Loop, loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL511", "optimizer-made-anew", "error", "light", explains=("AL517",))

_TIMES = 3
_LIFE = 12  # steps, on average


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find optimizers that live for a few steps only."""
    for rates in evidence.ledger.rates:
        times = rates.renewed
        if len(times) >= _TIMES and _state(rates):
            life = (times[-1] - times[0]) / (len(times) - 1)
            source = _made(evidence)
            if life <= _LIFE and source is not None:
                yield _finding(times, source)
                return


def _state(rates: Rates) -> bool:
    numbers = rates.groups[0][0]
    return bool(numbers.get("momentum") or "betas[0]" in numbers or "alpha" in numbers)


def _made(evidence: Evidence) -> Source | None:
    """The line that makes an optimizer, in a loop around backward."""
    backward = evidence.loop
    if backward is None:
        return None
    code = evidence.code(backward)
    for call in code.makes({one.kind for one in evidence.optimizers if one.holds}):
        loops = loops_around(code.tree, call.lineno)
        if loops and not _with_its_model(loops[0], call):
            return Source.at(backward.file, call.lineno)
    return None


def _with_its_model(loop: Loop, call: ast.Call) -> bool:
    """Whether the loop makes what the optimizer updates anew as well."""
    held = {node.id for one in call.args for node in ast.walk(one) if isinstance(node, ast.Name)}
    given = {
        node.id
        for statement in ast.walk(loop)
        if isinstance(statement, ast.Assign) and statement.lineno <= call.lineno
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    }
    return bool(held & given)


def _finding(times: list[int], source: Source) -> Finding:
    return RULE.finding(
        title=f"{plural(len(times) + 1, 'optimizer')} updated the same parameters, one by one",
        message=f"""In step {times[0]}, and {plural(len(times), "time")} in all, an optimizer made
            its first update of parameters that another one had updated before. Its state
            (momentum, averages) begins at zero each time, and so does a scheduler made with
            it.""",
        fix="# make the optimizer and its scheduler once, before the loop",
        step=times[0],
        events=("the optimizers' numbers in every step",),
        source=source,
    )
