"""The steps are too long: every one overshoots further than the last.

What it finds:
    The loss grows step after step, while the parameters jump to and fro: each update points
    against the one before.

Why it is bad:
    In a valley of curvature lambda, gradient descent with a rate above 2 / lambda lands higher
    on the other side than it started. The loss grows without end, to infinity and NaN.

Evidence it needs:
    Light steps: losses, values and gradients. Beside them the largest eigenvalue of the loss's
    Hessian, where the recording keeps it, else the curvature along the way, from two gradients
    one after the other: it gives the largest rate that would have been stable.

Example:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.5)

Corrected:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

When it is silent:
    A loss that grows without alternating updates, or that comes down again by itself.

References:
    https://distill.pub/2017/momentum/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from autograd_lens.analysis.rates import find_rates
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.numbers import Move, moves
from autograd_lens.trace.kept import stored_curvatures

RULE = Rule("AL501", "learning-rate-too-high", "error", "light", explains=("AL301", "AL505"))

_ENOUGH = 5
_GROWTH = 10.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a stretch in which the loss grows while updates alternate."""
    for window in moves(evidence):
        grown = _overshooting(window)
        if grown and not _recovers(evidence, grown):
            yield _finding(evidence, grown)
            return


def _overshooting(window: list[Move]) -> list[Move]:
    """The longest stretch of growing loss and alternating updates; empty where it is short."""
    best: list[Move] = []
    current: list[Move] = []
    for before, move in pairwise(window):
        grows = np.isfinite(move.loss) and move.loss > before.loss
        turned = move.cosine(before) < -0.5  # more back than aside
        current = [*(current or [before]), move] if grows and turned else []
        best = max(best, current, key=len)
    if len(best) < _ENOUGH or not best[-1].loss > _GROWTH * abs(best[0].loss):
        return []
    return best


def _recovers(evidence: Evidence, grown: list[Move]) -> bool:
    """Whether the loss comes below its start again: then a few unlucky batches made it grow."""
    later = evidence.losses[grown[-1].step + 1 :]
    return bool(np.isfinite(later).all()) and float(later.min(initial=np.inf)) <= grown[0].loss


def _finding(evidence: Evidence, grown: list[Move]) -> Finding:
    first, last = grown[0], grown[-1]
    curvature, known = _curvature(evidence, grown)
    limit = 2 / curvature if curvature > 0 else None
    lower = _lower(evidence, last, limit)
    return RULE.finding(
        title=f"the loss grows and the updates alternate from step {first.step} on",
        message=f"""From step {first.step} to {last.step} the loss grew from {number(first.loss)} to
            {number(last.loss)}, and every update pointed back against the one before: the steps
            jump over the valley, each time further. {_against(evidence, last, limit, known)}
            {_tried(evidence, first, last, lower)}""",
        fix=f"lr={number(lower)}" if lower else "lr=0.1 * lr",
        step=first.step,
        events=(f"losses of steps {first.step} to {last.step}", "signs of the updates"),
        look=f"autograd-lens step {{file}} --at {first.step}:update",
    )


def _tried(evidence: Evidence, first: Move, last: Move, lower: float | None) -> str:
    """What came of smaller rates, in a sentence; ``""`` where they could not be tried."""
    rates = find_rates(evidence.trace).at(first.step)
    if not rates or lower is None:
        return ""
    steps = last.step - first.step + 1
    return evidence.experiments.smaller_rates(first.step, steps, rates[-1], lower)


def _curvature(evidence: Evidence, grown: list[Move]) -> tuple[float, str]:
    """The curvature that the steps met, and what is known of it, with one ``{}`` for 2 / it."""
    stored = stored_curvatures(evidence.trace)
    for point in stored.points if stored else ():
        if point.step <= grown[-1].step and 0 < point.largest < math.inf:
            largest = number(point.largest)
            return (
                point.largest,
                f"""In step {point.step} the loss curves by up to lambda_max =
                {largest} (the largest eigenvalue of its Hessian): plain gradient descent diverges
                above 2 / {largest} = {{}}.""",
            )
    along = grown[1].curvature(grown[0])
    return (
        along,
        f"""Along this path the curvature is {number(along)}, so that rates above 2 /
        {number(along)} = {{}} grow. To measure the largest one: autograd-lens info --curvature.""",
    )


def _lower(evidence: Evidence, last: Move, limit: float | None) -> float | None:
    """A rate that is smaller than the one in use, whatever the curvature says."""
    rates = find_rates(evidence.trace).at(last.step)
    lower = [rates[-1] / 10] if rates else []
    lower += [limit / 4] if limit else []
    return min(lower, default=None)


def _against(evidence: Evidence, last: Move, limit: float | None, known: str) -> str:
    """The rate in use against the largest stable one, in sentences."""
    rates = find_rates(evidence.trace).at(last.step)
    used = f"The learning rate is {number(rates[-1])}" if rates else ""
    if limit is None:
        return f"{used}." if used else ""
    times = rates[-1] / limit if rates else 0.0
    beyond = f", {number(times)} times as much" if times > 1 else ""
    return f"{known.format(number(limit))} {used}{beyond}{'.' if used else ''}"
