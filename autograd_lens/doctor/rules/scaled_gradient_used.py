"""The loss is scaled for mixed precision, and the gradients are used as they are.

What it finds:
    ``scaler.scale(loss).backward()`` and then ``optimizer.step()``: the loss scale, 65536 by
    default, is never taken out of the gradients.

Why it is bad:
    The update is as many times too large; with Adam, which hides it, clipping and weight decay
    are wrong.

Evidence it needs:
    Full steps: the factor in front of the loss, and that nothing divides the gradients between
    backward and update.

Example:
    scaler.scale(loss).backward()
    optimizer.step()

Corrected:
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()

When it is silent:
    Programs without a GradScaler, and gradients that anything changes before the update.

References:
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.tape import life_lines
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL110", "scaled-gradient-used", "error", "full", explains=("AL501",))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find updates with scaled gradients."""
    steps = [step for step in evidence.full if step.backwards and step.updates]
    scales = [scale for step in steps if (scale := _scale(step)) is not None]
    source = steps[0].backwards[0].source if steps else None
    scaled = bool(scales) and min(scales) > 1
    left = scaled and not any(_changed(step) for step in steps)
    if left and evidence.code(source).makes({"GradScaler"}):
        yield _finding(steps[-1], scales[-1])


def _scale(step: Step) -> float | None:
    """The number that the loss is multiplied with, last of all."""
    root = TapeIndex(step).loss_kernel()
    if root is None or operator_name(root) != "mul":
        return None
    factors = [use for use in tensors(root.inputs) if use.spec.role == "input"]
    value = factors[0].value if len(factors) == 1 else None
    return float(value.item().real) if value is not None and value.numel == 1 else None


def _changed(step: Step) -> bool:
    lines = life_lines(step).values()
    return any(touch.kind == "changed" for touches in lines for touch in touches)


def _finding(step: Step, scale: float) -> Finding:
    place = step.updates[0].source or step.backwards[-1].source
    source = Source.at(place.file, place.line, end_line=place.end_line) if place else None
    return RULE.finding(
        title=f"the update uses gradients that are {number(scale)} times as large",
        message=f"""In step {step.index}, the loss was multiplied by {number(scale)} before
            backward(), and nothing divided the gradients before the update used them.""",
        fix="scaler.step(optimizer); scaler.update()  # instead of optimizer.step()",
        step=step.index,
        events=("the factor of the loss", "the life line of each gradient"),
        source=source,
    )
