"""Pixels that lie between 0 and 1 already are divided by 255 once more.

What it finds:
    A division by 255 of numbers none of which is above 1.

Why it is bad:
    All inputs are almost 0, and almost the same: the first layer's weights get gradients that are
    hundreds of times smaller than those of its bias.

Evidence it needs:
    A full step: what the division was given.

Example:
    picture = ToTensor()(image)    # from 0 to 1
    model(picture / 255)

Corrected:
    model(picture)

When it is silent:
    Numbers that were not kept, and batches that are all zero.

References:
    https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import constant, operator_name, tensors
from autograd_lens.trace.records import Kernel
from autograd_lens.trace.values import Value

RULE = Rule("AL612", "scaled-twice", "error", "full")

_WHITE = 255.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first division of what has been divided, where all divisions are such."""
    found: dict[tuple[str, int], list[tuple[int, Kernel, float]]] = {}
    large = set[tuple[str, int]]()
    for step in evidence.full:
        for kernel in step.kernels:
            source = kernel.source
            if source is None or operator_name(kernel) not in ("div", "div_"):
                continue
            if kernel.requires_grad or constant(kernel, "other") != _WHITE:
                continue
            given = next(tensors(kernel.inputs), None)
            top, place = _range(given.value if given else None), (source.file, source.line)
            if top is None or top > 1:
                large.add(place)
            elif top > 0:
                found.setdefault(place, []).append((step.index, kernel, top))
    for place, times in found.items():
        if place not in large and len(times) > 1:
            yield _finding(*times[0])
            return


def _range(value: Value | None) -> float | None:
    """The largest number, where none is below 0."""
    if value is None or not value.complete or not value.numel:
        return None
    lowest, highest = float(value.array.min()), float(value.array.max())
    return highest if lowest >= 0 and "float" in value.dtype else None


def _finding(step: int, kernel: Kernel, top: float) -> Finding:
    return RULE.finding(
        title="numbers from 0 to 1 are divided by 255",
        message=f"""In step {step}, the largest number that was divided by 255 was {number(top)}:
            they had been scaled before. What the model gets goes from 0 to
            {number(top / _WHITE)}.""",
        fix="# divide by 255 once: ToTensor() does it already",
        step=step,
        kernel=kernel,
    )
