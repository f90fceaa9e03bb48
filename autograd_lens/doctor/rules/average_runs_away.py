"""A moving average is pushed away from what it is to follow.

What it finds:
    An average of weights that has a part of its distance to them added instead of taken off.

Why it is bad:
    The distance grows by a factor with every update, while the trained model looks well: the
    copy that is used in the end is worthless.

Evidence it needs:
    A full step: the kernels that update a parameter from its difference to another.

Example:
    gap = average - weight
    average.add_(gap, alpha=1 - decay)

Corrected:
    gap = average - weight
    average.sub_(gap, alpha=1 - decay)

When it is silent:
    Parameters that an optimizer holds.

References:
    https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, size
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL610", "average-runs-away", "error", "full")

_SIGNS = {"add_": 1.0, "sub_": -1.0}
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such update."""
    trained = set(evidence.names(list(evidence.ledger.holders)))
    for step in evidence.full:
        tape = TapeIndex(step)
        for kernel in step.kernels:
            pair = list(tensors(kernel.inputs)) if operator_name(kernel) in _SIGNS else []
            if len(pair) != _PAIR or kernel.phase == "backward":
                continue
            average = _parameter(tape, pair[0], kernel)
            if average.spec.role != "parameter" or average.spec.name in trained:
                continue
            gap = _gap(tape, average, pair[1], kernel)
            factor = _SIGNS[operator_name(kernel)] * (constant(kernel, "alpha") or 1.0)
            if gap is not None and factor * gap[1] > 0:
                yield _finding(evidence, step.index, kernel, average, gap[0])
                return


def _parameter(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> TensorUse:
    """The parameter that a ``.data`` is of, else the tensor itself."""
    maker = tape.maker(use.tensor, kernel.index)
    if maker is not None and operator_name(maker) == "detach":
        return next(tensors(maker.inputs), use)
    return use


def _gap(
    tape: TapeIndex, average: TensorUse, change: TensorUse, kernel: Kernel
) -> tuple[TensorUse, float] | None:
    """What an average is compared with, and the sign with which the average enters."""
    sign, maker = 1.0, tape.maker(change.tensor, kernel.index)
    while maker is not None and operator_name(maker) in ("mul", "mul_", "neg", "div"):
        given = list(tensors(maker.inputs))
        by = -1.0 if operator_name(maker) == "neg" else constant(maker, "other")
        if by is None or len(given) != 1:
            return None
        sign, maker = sign * by, tape.maker(given[0].tensor, maker.index)
    sides = list(tensors(maker.inputs)) if maker and operator_name(maker) == "sub" else []
    mine = [tape.memory(side.tensor) == tape.memory(average.tensor) for side in sides]
    if sum(mine) != 1 or len(sides) != _PAIR:
        return None
    other = sides[1] if mine[0] else sides[0]
    return _parameter(tape, other, maker or kernel), sign if mine[0] else -sign


def _finding(
    evidence: Evidence, step: int, kernel: Kernel, average: TensorUse, followed: TensorUse
) -> Finding:
    name, other = average.spec.name, followed.spec.name or "the weights"
    operator, line = operator_name(kernel), evidence.line(kernel.source).strip()
    after = kernel.outputs[0].value
    return RULE.finding(
        title=f"{name} is pushed away from {other}",
        message=f"""In step {step}, {operator} changed {name} from
            {size(average.value)} to {size(after)} by a part of its own distance to {other}, with
            the sign that makes the distance larger. It grows by the same factor in every step.""",
        fix=line.replace(operator, "sub_" if operator == "add_" else "add_", 1),
        step=step,
        events=(f"kernel {kernel.index} {kernel.op}",),
        source=kernel.source,
        line=evidence.line(kernel.source),
    )
