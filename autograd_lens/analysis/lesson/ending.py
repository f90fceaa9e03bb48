"""Where a linear regression ended, and where other learning rates would have led."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from autograd_lens.analysis.lesson.records import Ending, OtherRate, Path
from autograd_lens.analysis.lesson.regression import Regression, recognise
from autograd_lens.trace.records import Step

__all__ = ["ending", "learning_rate"]

_PLAIN = re.compile(
    r"(?P<name>.+?) (?:- (?P<minus>[\d.e-]+)|\+ -(?P<plus>[\d.e-]+)) \* (?P=name)\.grad"
)
_CLOSE = 1e-3  # of the length of the path
_KEPT = 400  # positions of another descent that are kept


def ending(
    regression: Regression | None, path: Path, full: Sequence[Step], first: Step
) -> Ending | None:
    """Where the run ended; None where it is no linear regression on the same data throughout."""
    if regression is None or not all(_same_data(regression, step) for step in full):
        return None
    last = path.values[-1, :2]
    if not np.isfinite(last).all():
        return None
    best = regression.optimum
    rate = learning_rate(first, (regression.weight, regression.bias))
    deviation = _deviation(regression, path, rate) if rate else None
    reach = float(np.abs(path.values[:, :2] - path.values[0, :2]).max())
    proved = deviation is not None and deviation <= _CLOSE * reach
    return Ending(
        weight=float(last[0]),
        bias=float(last[1]),
        loss=regression.loss(last[0], last[1]),
        best_weight=best[0],
        best_bias=best[1],
        best_loss=regression.loss(*best),
        rate=rate,
        limit=regression.limit,
        deviation=deviation,
        others=tuple(_others(regression, path, rate)) if proved and rate else (),
    )


def learning_rate(step: Step, names: Sequence[str]) -> float | None:
    """The one number that plain gradient descent multiplies all gradients by, or None."""
    rates = set()
    expressions = {update.parameter: update.expression for update in step.updates}
    for name in names:
        match = _PLAIN.fullmatch(expressions.get(name, ""))
        if match is None or match["name"] != name:
            return None
        rates.add(float(match["minus"] or match["plus"]))
    return rates.pop() if len(rates) == 1 else None


def _same_data(regression: Regression, step: Step) -> bool:
    other = recognise(step)
    return (
        other is not None
        and np.array_equal(other.x, regression.x)
        and np.array_equal(other.y, regression.y)
    )


def _deviation(regression: Regression, path: Path, rate: float) -> float | None:
    start = (float(path.values[0, 0]), float(path.values[0, 1]))
    mine = regression.descend(start, rate, len(path.values) - 1)
    if len(mine) != len(path.values):
        return None
    return float(np.abs(mine - path.values[:, :2]).max())


def _others(regression: Regression, path: Path, rate: float) -> Iterator[OtherRate]:
    """A tenth, ten times, and a little more than the limit."""
    start = (float(path.values[0, 0]), float(path.values[0, 1]))
    rates = [rate / 10, rate * 10, 1.05 * regression.limit]
    for other in (float(f"{each:.3g}") for each in rates):
        points = regression.descend(start, other, len(path.values) - 1)
        weight, bias = (float(number) for number in points[-1])
        kept = np.unique(np.geomspace(1, len(points), _KEPT).astype(int)) - 1
        yield OtherRate(
            rate=other,
            steps=len(points) - 1,
            weight=weight,
            bias=bias,
            loss=regression.loss(weight, bias),
            diverged=other >= regression.limit,
            points=points[kept],
        )
