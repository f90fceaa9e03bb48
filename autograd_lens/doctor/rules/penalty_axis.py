"""A penalty on the gradient's length measures another length than each sample's.

What it finds:
    A norm of a gradient from ``torch.autograd.grad``, less 1 and squared, that runs over the whole
    batch, or over the channels of each pixel alone.

Why it is bad:
    The slope of the critic is to be 1 at each sample. The length over the batch is that of all
    slopes together, and that of one pixel is only a part of a slope.

Evidence it needs:
    A full step: the norm, and the axes that it runs over.

Example:
    penalty = (gradient.norm(2) - 1) ** 2

Corrected:
    penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

When it is silent:
    Norms that nothing is subtracted from, and gradients with respect to parameters.

References:
    https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.trace.graph import TapeIndex, constant, integers, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL430", "penalty-axis", "error", "full")

_NORMS = frozenset({"linalg_vector_norm", "norm"})
_MATRIX = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such norm."""
    yield from told(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if kernel.phase == "forward" and operator_name(kernel) in _NORMS:
            yield _case(tape, kernel)
            yield _unbounded(tape, kernel)


def _unbounded(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``(length - 1).mean()``: nothing squares the distance from 1."""
    given = next(tensors(kernel.inputs), None)
    maker = tape.maker(given.tensor, kernel.index) if given is not None else None
    if maker is None or maker.phase != "backward" or not kernel.requires_grad:
        return None
    waiting = [kernel]
    while waiting:
        for reader in tape.readers(waiting.pop().outputs[0].tensor):
            name, other = operator_name(reader), constant(reader, "other")
            if name == "pow":
                waiting.append(reader)
            if (name == "sub" and other == 1) or (name == "add" and other == -1):
                after = [operator_name(one) for one in tape.readers(reader.outputs[0].tensor)]
                if after and set(after) <= {"mean", "sum"}:
                    return Case(
                        reader,
                        "a penalty falls below 0 where gradients are short",
                        """the distance of a gradient's length from 1 goes into the mean as it is,
                        with its sign: the shorter the gradients, the lower the loss, and nothing
                        holds them at 1""",
                        "((gradient.norm(2, dim=1) - 1) ** 2).mean()",
                    )
    return None


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    given = next(tensors(kernel.inputs), None)
    sizes = given.spec.shape if given is not None else ()
    if given is None or len(sizes) < _MATRIX or sizes[0] < _MATRIX or not _less_one(tape, kernel):
        return None
    maker = tape.maker(given.tensor, kernel.index)
    if maker is None or maker.phase != "backward" or _of_parameter(tape, sizes):
        return None
    axes = {axis % len(sizes) for axis in integers(kernel, "dim")} or set(range(len(sizes)))
    whole = axes == set(range(len(sizes)))
    part = axes == {1} and len(sizes) > _MATRIX
    if not whole and not part:
        return None
    over = "the whole batch" if whole else "axis 1 alone"
    return Case(
        kernel,
        f"the gradient's length is measured over {over}",
        f"""the norm of a gradient of shape {shape(sizes)} runs over {over}, and what is squared is
        its distance from 1: the length that is held at 1 is not that of a sample's gradient""",
        "((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()",
    )


def _less_one(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether 1 is subtracted from what a kernel made, and the difference squared."""
    for reader in tape.readers(kernel.outputs[0].tensor):
        name, other = operator_name(reader), constant(reader, "other")
        less = (name == "sub" and other == 1) or (name == "add" and other == -1)
        after = tape.readers(reader.outputs[0].tensor) if less else []
        if any(operator_name(one) in ("pow", "mul", "square", "mse_loss") for one in after):
            return True
    return False


def _of_parameter(tape: TapeIndex, sizes: tuple[int, ...]) -> bool:
    """Whether a parameter has that shape."""
    return any(update.before and update.before.shape == sizes for update in tape.step.updates)
