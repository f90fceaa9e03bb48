"""The learning rate falls to nothing while the training goes on.

What it finds:
    A rate that a schedule has made so small, long before the end, that updates change nothing:
    a scheduler called once a batch whose numbers are meant for epochs, a ``gamma`` of 0, a
    plateau that is looked for in the wrong direction.

Why it is bad:
    The rest of the run is spent for nothing.

Evidence it needs:
    Light steps: the numbers of the optimizer, noted whenever they change.

Example:
    for epoch in range(90):
        for batch in loader:
            train(batch)
            scheduler.step()   # StepLR(optimizer, 30)

Corrected:
    for epoch in range(90):
        for batch in loader:
            train(batch)
        scheduler.step()

When it is silent:
    Warm-up, rates that reach their smallest value at the end of the run, and those that rise
    again.

References:
    https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.doctor.ledger import Rates
from autograd_lens.doctor.source import called, loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL509", "rate-vanished", "warning", "light", explains=("AL502", "AL506"))

_NOTHING = 1e-4  # of the largest rate
_FALLING = 0.05  # of the largest rate, where the plateau is looked for in the wrong direction
_STEPS = 5
_SHARE = 0.2  # of the run


@dataclass(frozen=True, slots=True)
class _Fall:
    step: int
    largest: float
    last: float
    left: int


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a rate that is next to nothing for a good part of the run."""
    total = len(evidence.losses)
    for rates in evidence.ledger.rates:
        for group in range(len(rates.groups[0])):
            wrong = _plateau(evidence)
            fall = _fall(rates, group, total, _FALLING if wrong else _NOTHING)
            if fall is not None:
                yield _finding(evidence, fall, wrong)
                return


def _fall(rates: Rates, group: int, total: int, share: float) -> _Fall | None:
    lrs = rates.of("lr", group)
    if len(lrs) != len(rates.steps) or max(lrs) <= 0:
        return None
    largest = max(lrs)
    peak = max(place for place, lr in enumerate(lrs) if lr == largest)
    small = [place for place in range(peak, len(lrs)) if lrs[place] < share * largest]
    if not small or any(lrs[place] >= share * largest for place in range(small[0], len(lrs))):
        return None
    left = total - rates.steps[small[0]]
    if left < max(_STEPS, _SHARE * total):
        return None
    return _Fall(rates.steps[small[0]], largest, lrs[-1], left)


def _plateau(evidence: Evidence) -> ast.Call | None:
    """A ``ReduceLROnPlateau`` that waits for a loss to rise, or for a score to fall."""
    code = evidence.code(evidence.loop)
    made = code.makes({"ReduceLROnPlateau"})
    for call in made:
        words = {one.arg: one.value for one in call.keywords}
        mode = words.get("mode", call.args[1] if len(call.args) > 1 else None)
        rising = isinstance(mode, ast.Constant) and mode.value == "max"
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Call) and called(node) == "step" and node.args:
                given = ast.unparse(node.args[0]).lower()
                if rising and "loss" in given and "-" not in given:
                    return call
                if not rising and any(word in given for word in ("acc", "f1", "score", "auc")):
                    return call
    return None


def _finding(evidence: Evidence, fall: _Fall, wrong: ast.Call | None) -> Finding:
    source, why, fix = _cause(evidence, wrong)
    return RULE.finding(
        title=f"the learning rate is {number(fall.last)} for the last {plural(fall.left, 'step')}",
        message=f"""From step {fall.step} on, the rate is below a
            {"twentieth" if wrong else "ten-thousandth"} of {number(fall.largest)}, where it
            began to fall; at the end it is {number(fall.last)}. {why}""",
        fix=fix,
        step=fall.step,
        events=("the optimizer's lr in every step",),
        source=source,
    )


def _cause(evidence: Evidence, wrong: ast.Call | None) -> tuple[Source | None, str, str]:
    """The line to change, what it does, and how to write it."""
    backward = evidence.loop
    if backward is None:
        return None, "", "scheduler.step()  # once an epoch"
    if wrong is not None:
        place = Source.at(backward.file, wrong.lineno)
        why = "The scheduler waits for the metric to move the other way than a good run moves it."
        return place, why, 'ReduceLROnPlateau(optimizer, mode="min")  # "max" for an accuracy'
    code = evidence.code(backward)
    for call in code.makes({"StepLR", "MultiStepLR", "ExponentialLR"}):
        words = {one.arg: one.value for one in call.keywords}
        gamma = words.get("gamma")
        if isinstance(gamma, ast.Constant) and gamma.value == 0:
            place = Source.at(backward.file, call.lineno)
            return place, "A gamma of 0 makes the rate 0.", "gamma=0.1  # gamma=1 changes nothing"
    loops = loops_around(code.tree, backward.line)
    for owner, method, line in code.calls(backward.line):
        if method == "step" and "sched" in owner.lower() and len(loops) > 1:
            place = Source.at(backward.file, line, backward.function)
            why = f"`{owner}.step()` runs once a batch, in the inner loop."
            return place, why, f"{owner}.step()  # in the outer loop, once an epoch"
    for owner, method, line in code.calls(backward.line):
        if method == "step" and "sched" in owner.lower():
            place = Source.at(backward.file, line, backward.function)
            return place, "", f"{owner}: a slower schedule, or fewer steps"
    return backward, "", "a slower schedule, or fewer steps"
