"""The loss is scaled for mixed precision, and the gradients are used as they are.

What it finds:
    ``scaler.scale(loss).backward()`` and then ``optimizer.step()``: the loss scale, 65536 by
    default, is never taken out of the gradients. A GradScaler that steps an optimizer and is
    never updated.

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

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.source import called
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
    elif steps and source is not None:
        yield from _never_renewed(evidence, source)


def _never_renewed(evidence: Evidence, source: Source) -> Iterator[Finding]:
    """``scaler.step(optimizer)`` without ``scaler.update()`` anywhere."""
    code = evidence.code(source)
    made = {
        ast.unparse(target).rpartition(".")[2]
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if called(node.value) == "GradScaler"
    }
    asked: dict[str, int] = {}
    for node in ast.walk(code.tree):
        method = node.func if isinstance(node, ast.Call) else None
        of = ast.unparse(method.value) if isinstance(method, ast.Attribute) else ""
        if isinstance(method, ast.Attribute) and of.rpartition(".")[2] in made:
            asked.setdefault(method.attr, method.lineno)
    if {"scale", "step"} <= set(asked) and "update" not in asked:
        yield RULE.finding(
            title="the loss scale is never renewed",
            message="""The GradScaler scales the loss and steps the optimizer, and its update() is
                called nowhere: the scale stays what it was at first, and what one step found of
                infinite gradients is not forgotten in the next.""",
            fix="scaler.step(optimizer); scaler.update()",
            events=("the program's text",),
            source=Source.at(source.file, asked["step"]),
        )


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
