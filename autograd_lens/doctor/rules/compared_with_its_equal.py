"""A loss compares a tensor with itself.

What it finds:
    A loss both sides of which are computed in the same way from the same tensor: the teacher's
    scores against the teacher's, an output against its own copy.

Why it is bad:
    It is 0 in every step, or as low as it can be, and trains nothing; the side that was meant is
    missing.

Evidence it needs:
    A full step: the kernels behind both sides of each loss.

Example:
    soft = F.kl_div(F.log_softmax(teacher_out, 1), F.softmax(teacher_out, 1))

Corrected:
    soft = F.kl_div(F.log_softmax(student_out, 1), F.softmax(teacher_out, 1))

When it is silent:
    Sides that differ in any kernel, number, random draw or tensor on their way.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import compared, divergence
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Constant, Kernel, TensorUse

RULE = Rule("AL419", "compared-with-its-equal", "error", "full")

_DEEP = 6  # kernels back
_DRAWN = frozenset({"bernoulli", "multinomial", "native_dropout", "normal", "rrelu_with_noise"})
_ALIKE = {"_log_softmax": "softmax", "_softmax": "softmax", "detach": "", "alias": "", "clone": ""}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such loss."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            sides = _sides(tape, kernel) if kernel.phase == "forward" else None
            if sides is None:
                continue
            one, other = (_way(tape, side, kernel.index, _DEEP) for side in sides)
            if one == other:
                yield _finding(evidence, tape, kernel, sides[0])
                return


def _sides(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse] | None:
    """What a loss compares."""
    diverging = divergence(tape, kernel)
    return compared(tape, kernel) if diverging is None else diverging[:2]


def _way(tape: TapeIndex, use: TensorUse, before: int, deep: int) -> tuple[object, ...]:
    """How a tensor was made: the operators, numbers and tensors that it came from."""
    kernel = tape.maker(use.tensor, before)
    if kernel is None or not deep or not any(tensors(kernel.inputs)):
        return (use.tensor,)
    name = operator_name(kernel)
    if name in _DRAWN or name.endswith("_like") or writes_in_place(kernel):
        return (use.tensor,)
    name = _ALIKE.get(name, name)
    given = tuple(_way(tape, one, kernel.index, deep - 1) for one in tensors(kernel.inputs))
    if not name:
        return given[0]
    numbers = tuple(
        one.value.value for one in kernel.inputs if isinstance(one.value, Constant) and one.name
    )
    place = [one.tensor for one in kernel.outputs].index(use.tensor)
    return (name, numbers, place, *given)


def _finding(evidence: Evidence, tape: TapeIndex, kernel: Kernel, side: TensorUse) -> Finding:
    name, made = side.spec.name or "a tensor", tape.maker(side.tensor, kernel.index)
    plain = made is not None and not made.module and made.phase == "forward"
    return RULE.finding(
        title="a loss compares a tensor with itself",
        message=f"""In step {tape.step.index}, both sides of the loss
            (`{evidence.line(kernel.source)}`) were computed in the same way from the same tensor
            ({name} is one of them): it is as low as it can be in every step, and says nothing of
            the model.""",
        fix="# give the model's own output as one of the two",
        step=tape.step.index,
        kernel=kernel,
        source=made.source if made is not None and plain else kernel.source,
    )
