"""What led to a step: where a NaN was born, the update behind it, the gradients before that.

Every link is something that the recording holds: a kernel with what it was given, the move of a
parameter, norms of gradients over steps. None of them is a guess at the cause; the cause is
what the first of them shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import number, shape
from autograd_lens.doctor.numbers import Birth, first_birth, poisoned
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Kernel, Source
from autograd_lens.trace.values import Floats, Value

__all__ = ["Link", "chain_behind", "gradient_norms"]

_JUMP = 10.0  # times the gradient of the step before
_GROWS = 1.05  # times a step, for so long:
_STRETCH = 4  # steps
_OPERANDS = 3


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that happened on the way.

    Attributes:
        step: In which step.
        text: What happened, in one sentence.
        source: The line of the program, None where it is not known.
        line: The code in that line.
    """

    step: int
    text: str
    source: Source | None = None
    line: str = ""


def chain_behind(trace: Trace, step: int) -> tuple[Link, ...]:
    """What led to a step, the latest first.

    Args:
        trace: The run; light steps are opened where they can be.
        step: The step.
    """
    evidence = Evidence(trace)
    found = poisoned(evidence)
    links: list[Link] = []
    until = step
    if found is not None and found.step <= step:
        until = found.step
        links += _birth_links(trace, evidence, until, found.what)
    links += _move(trace, until)
    links += _gradients(trace, until)
    return tuple(links)


def _birth_links(trace: Trace, evidence: Evidence, step: int, what: str) -> Iterator[Link]:
    opened = trace.steps[step]
    birth = first_birth(opened) if opened.kernels else None
    if birth is None:
        why = (
            opened.omitted[-1]
            if opened.omitted and not opened.kernels
            else ("No kernel of it made that out of finite numbers: it came in from outside.")
        )
        yield Link(step, f"{what.capitalize()} became NaN or infinite. {why}")
        return
    yield Link(step, _born(birth, what), birth.source, evidence.line(birth.source))
    for text in list(_operands(birth.kernel))[:_OPERANDS]:
        yield Link(step, text)


def _born(birth: Birth, what: str) -> str:
    kernel = birth.kernel
    ran = f"{birth.node_name} ({operator_name(kernel)})" if birth.node_name else kernel.op
    return (
        f"Kernel {kernel.index}, {ran} in {kernel.phase}, made {birth.count} {birth.word} out of "
        f"finite numbers; from there it reached {what}."
    )


def _operands(kernel: Kernel) -> Iterator[str]:
    for use in tensors(kernel.inputs):
        if use.value is not None:
            name = use.spec.name or "a tensor"
            yield f"It was given {name} {shape(use.spec.shape)}, {_range(use.value)}."


def _range(value: Value) -> str:
    if value.complete and value.numel:
        array = value.array
        if array.dtype.kind in "fiu":
            return f"from {number(float(array.min()))} to {number(float(array.max()))}"
    return f"norm {number(value.norm)}"


# -- what moved -------------------------------------------------------------------------------


def _move(trace: Trace, step: int) -> Iterator[Link]:
    """The parameter that the update before a step moved most, as a share of its size."""
    if not step:
        return
    shares: dict[str, tuple[float, float, float, float]] = {}
    for name, parameter in trace.light(step - 1).parameters.items():
        before, after = parameter.before, parameter.after
        if before is None or after is None or not (before.complete and after.complete):
            continue
        moved = _norm(after.array.astype(np.float64) - before.array.astype(np.float64))
        size = _norm(before.array.astype(np.float64))
        gradient = math.nan if parameter.grad is None else parameter.grad.norm
        if moved:
            shares[name] = moved / size if size else math.inf, moved, size, gradient
    if not shares:
        return
    name = max(shares, key=lambda one: (not math.isnan(shares[one][0]), shares[one][0]))
    share, moved, size, gradient = shares[name]
    grad = "" if math.isnan(gradient) else f", along a gradient of norm {number(gradient)}"
    times = f" ({share:.3g} times its size)" if math.isfinite(share) else ""
    yield Link(
        step - 1,
        f"The update moved {name}, of norm {number(size)}, by {number(moved)}{times}{grad}.",
    )


def _norm(array: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.linalg.norm(array.ravel()))


# -- gradients over steps -----------------------------------------------------------------------


def _gradients(trace: Trace, step: int) -> Iterator[Link]:
    """Where the gradients jumped, or since when they grew."""
    norms = gradient_norms(trace, step)
    with np.errstate(all="ignore"):
        ratios = norms[1:] / norms[:-1]
    jumps = np.flatnonzero(np.isfinite(ratios) & (ratios > _JUMP)) + 1
    if jumps.size:
        at = int(jumps[-1])
        text = f"The gradients' norm jumped from {number(norms[at - 1])} to {number(norms[at])}"
        yield Link(at, f"{text}, {ratios[at - 1]:.3g} times the step before.")
        return
    start = len(ratios)
    while start and ratios[start - 1] > _GROWS:
        start -= 1
    if len(ratios) - start >= _STRETCH:
        factor = (norms[-1] / norms[start]) ** (1 / (len(norms) - 1 - start))
        yield Link(
            start,
            f"From here on the gradients grew in every step, by {factor:.3g} times a step, from "
            f"norm {number(norms[start])} to {number(norms[-1])}: each update overshoots.",
        )


def gradient_norms(trace: Trace, step: int) -> Floats:
    """The norm of all gradients of each step up to one, as far as they are finite: (steps,)."""
    squares = np.zeros(step + 1)
    for name in trace.parameters:
        grads = trace.parameter(name).grads[: step + 1].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            each = np.square(grads).reshape(len(grads), -1).sum(1)
        squares[: len(each)] += np.where(np.isfinite(each), each, 0.0)
    norms: Floats = np.sqrt(squares)
    while len(norms) > 1 and not (np.isfinite(norms[-1]) and norms[-1]):
        norms = norms[:-1]
    return norms
