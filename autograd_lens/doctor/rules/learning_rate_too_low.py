"""The steps are too short to get anywhere.

What it finds:
    Updates so small that rounding swallows them whole, or a run whose loss falls steadily and
    straight ahead, yet by next to nothing.

Why it is bad:
    A float32 number has seven digits. What is added to it and lies below its last digit is lost:
    the parameter stays as it was, in every step. And where the numbers do change, a run that
    gets a ten thousandth of the way is a run not made.

Evidence it needs:
    For rounding a full step: the kernel that added a number other than zero and left the
    parameter as it was. For progress light steps: gradients that stay the same in size and
    direction over the whole run while the loss hardly falls.

Example:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)

Corrected:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)

When it is silent:
    Runs that have arrived (small gradients), gradients that change direction (minibatches),
    runs of few steps.

References:
    https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, number
from autograd_lens.doctor.ledger import reached, standing_still
from autograd_lens.doctor.numbers import Move, lost_updates, moves

RULE = Rule("AL502", "learning-rate-too-low", "warning", "light", explains=("AL506",))

_STEPS = 40
_PROGRESS = 1e-3  # of the loss, over the whole run
_TENTH, _PERCENT = 0.1, 0.01
_MOST = 12  # powers of ten
_STRAIGHT = 0.999  # cosine of first and last gradient


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find updates that are rounded off, or progress that is negligible."""
    yield from _rounded(evidence) or _negligible(evidence)


def _rounded(evidence: Evidence) -> list[Finding]:
    lost = [one for one in lost_updates(evidence) if one.dtype in ("float32", "float64")]
    indexes = reached(evidence)
    if not lost or not indexes or not standing_still(evidence, indexes):
        return []
    one = lost[0]
    return [
        RULE.finding(
            title=f"{listed([each.parameter for each in lost])}: the update is rounded off",
            message=f"""In step {one.step}, the update adds {number(one.largest)} at most to
                {one.parameter}, whose elements are about {number(one.magnitude)}: less than half of
                the last digit that {one.dtype} has there. The sum is rounded back to what it was,
                and no parameter ever changed.""",
            fix=_faster(evidence, 1e4),
            step=one.step,
            kernel=one.kernel,
            look=f"autograd-lens step {{file}} --at {one.step}:update",
        )
    ]


def _faster(evidence: Evidence, factor: float) -> str:
    rate = next((one.attributes["lr"] for one in evidence.optimizers), None)
    return f"lr={number(rate * factor)}" if rate else f"lr = {factor:g} * lr"


def _negligible(evidence: Evidence) -> list[Finding]:
    whole = [move for window in moves(evidence) for move in window]
    if len(whole) < _STEPS or len(whole) < len(evidence.losses) - 1 or not _crawls(whole):
        return []
    first, last = whole[0], whole[-1]
    fallen = 1 - last.loss / first.loss
    return [
        RULE.finding(
            title=f"{len(whole)} steps lowered the loss by {number(100 * fallen)} %",
            message=f"""From step {first.step} to {last.step} the loss fell from
                {first.loss:.6g} to {last.loss:.6g}. The gradient is as large as in the beginning
                ({number(float(np.linalg.norm(last.grad)))}) and points the same way: the
                minimum is far, and the steps are too short. {_pace(len(whole), fallen)}""",
            fix=_faster(evidence, _factor(whole)),
            step=last.step,
            events=("losses of all steps", "first and last gradient"),
        )
    ]


def _factor(whole: list[Move]) -> float:
    """How many times longer steps lower the loss by a tenth in as many, along the slope."""
    each = abs(float(whole[-1].grad @ whole[-1].change))
    wanted = _TENTH * abs(whole[-1].loss) / len(whole)
    exponent = math.floor(math.log10(wanted / each)) if each and wanted else 0
    return 10.0 ** min(max(exponent, 1), _MOST)


def _pace(steps: int, fallen: float) -> str:
    if not fallen:
        return "They are so short that float32 shows no progress at all."
    return f"At this pace the loss would need about {number(steps / fallen)} steps."


def _crawls(whole: list[Move]) -> bool:
    losses = np.array([move.loss for move in whole])
    first, last = whole[0].grad, whole[-1].grad
    if first.shape != last.shape or not np.isfinite(losses).all():
        return False
    size = float(np.linalg.norm(first) * np.linalg.norm(last))
    return bool(
        size > 0
        and losses[0] > 0
        and (np.diff(losses) <= 0).all()
        and 0 <= 1 - losses[-1] / losses[0] < _PROGRESS
        and float(first @ last) > _STRAIGHT * size
        and (losses[-1] < losses[0] or _far_from_a_minimum(whole[-1]))
    )


def _far_from_a_minimum(move: Move) -> bool:
    """Whether parameters that move by a tenth of their size would change the loss by a percent."""
    reach = _TENTH * float(np.linalg.norm(move.grad) * np.linalg.norm(move.value))
    return reach > _PERCENT * move.loss and bool(move.change.any())
