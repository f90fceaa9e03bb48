"""An update by hand goes up the slope.

What it finds:
    A parameter that the program itself moves along its gradient, while the loss rises; all that the
    only optimizer holds, moved so by it, as with ``maximize=True``.

Why it is bad:
    The gradient points to where the loss grows. Training subtracts it.

Evidence it needs:
    Light steps: values, gradients and losses.

Example:
    weight += rate * weight.grad

Corrected:
    weight -= rate * weight.grad

When it is silent:
    Programs with several optimizers, of which one may go up, and runs whose loss falls all the
    same.

References:
    https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, Gap
from autograd_lens.doctor.finding import Finding, Rule, listed, number
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import constant, operator_name, tensors

RULE = Rule("AL514", "update-climbs", "error", "light", explains=("AL501",))

_FEWEST_UPDATES = 3
_ALONG = 0.999  # cosine of the angle between the move and the gradient
_UPWARDS = 0.1  # of an optimizer that has a memory


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that go up, or away from 0."""
    yield from _grows(evidence)
    losses = evidence.losses[np.isfinite(evidence.losses)]
    if len(losses) < _FEWEST_UPDATES or not losses[-1] > losses[0]:
        return
    held = evidence.ledger.holders
    names = [
        parameter.name
        for index, parameter in enumerate(evidence.parameters)
        if index not in held and _climbs(evidence, index, _ALONG)
    ]
    climbing = held and len(evidence.optimizers) == 1
    if climbing and all(_climbs(evidence, index, _UPWARDS) for index in held):
        names += evidence.names(sorted(held))
    if names:
        step = next((one for one in evidence.full if one.updates), None)
        updates = [one for one in step.updates if one.parameter == names[0]] if step else []
        source = updates[0].source if updates else evidence.loop
        yield RULE.finding(
            title=f"{listed(names)}: the update goes along the gradient, not against it",
            message=f"""In every step, {listed(names)} moved along the gradient, to where the loss
                grows; it went from {number(losses[0])} to {number(losses[-1])}.""",
            fix=_down(evidence.line(source)),
            step=step.index if step else 0,
            events=("values and gradients of all steps",),
            source=source,
        )


def _grows(evidence: Evidence) -> Iterator[Finding]:
    """A decay with the wrong sign: the weights are subtracted from the gradient."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            pair = list(tensors(kernel.inputs)) if operator_name(kernel).startswith("sub") else []
            if kernel.phase != "update" or len(pair) <= 1 or pair[0].spec.role != "gradient":
                continue
            made = tape.maker(pair[1].tensor, kernel.index)
            scaled = made is not None and operator_name(made) == "mul" and (factor(made) or 0) > 0
            base = next(tensors(made.inputs)) if made is not None and scaled else pair[1]
            if base.spec.role == "parameter" and (constant(kernel, "alpha") or 1) > 0:
                yield RULE.finding(
                    title=f"weight decay makes {base.spec.name} grow",
                    message=f"""In step {tape.step.index},
                        `{evidence.line(kernel.source).strip()}` takes a share of the weights off
                        their gradient, before the update takes that off the weights: they grow by
                        that share in every step.""",
                    fix="grad + decay * weight",
                    step=tape.step.index,
                    kernel=kernel,
                )
                return


def _down(line: str) -> str:
    """``w -= 0.1 * w.grad`` for ``w += 0.1 * w.grad``."""
    if "+=" in line:
        return line.strip().replace("+=", "-=")
    return "# without maximize=True" if "step(" in line else "weight -= rate * weight.grad"


def _climbs(evidence: Evidence, index: int, along: float) -> bool:
    gaps = [gap for window in evidence.gaps(index) for gap in window if gap.updated]
    angles = [_cosine(gap) for gap in gaps]
    return len(angles) >= _FEWEST_UPDATES and all(angle > along for angle in angles)


def _cosine(gap: Gap) -> float:
    """Cosine of the angle between a move and the gradient; 0 where it is not known."""
    kept = [one for one in (gap.value, gap.after, gap.grad) if one is not None and one.complete]
    if len(kept) != 3 or len({one.shape for one in kept}) != 1:  # all of the three
        return 0.0
    value, after, grad = (one.array.real.astype(np.float64).ravel() for one in kept)
    size = float(np.linalg.norm(after - value) * np.linalg.norm(grad))
    return float((after - value) @ grad) / size if size else 0.0
