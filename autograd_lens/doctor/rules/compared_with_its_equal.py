"""A loss compares a tensor with itself.

What it finds:
    A loss both sides of which are computed in the same way from the same tensor: the teacher's
    scores against the teacher's, an output against its own copy. What a model says, less the
    very same numbers without a gradient, step after step: a reference that is the model itself.

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

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import LOSSES, compared, divergence
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Constant, Kernel, TensorUse

RULE = Rule("AL419", "compared-with-its-equal", "error", "full")

_DEEP = 6  # kernels back
_FEWEST = 3  # steps
_SEVERAL = 4  # numbers
_ROUNDING = 1e-5  # a forward without autograd may run other kernels
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
    yield from _always_equal(evidence)
    yield from told(RULE, evidence, lambda tape: (_blended(tape, one) for one in tape.kernels))


def _blended(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``a * x + (1 - a) * x``, which is x, whatever a is."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "add" else []
    parts = [tape.maker(use.tensor, kernel.index) for use in pair]
    if len(parts) != 2 or kernel.phase != "forward":
        return None
    products = [one for one in parts if one is not None and operator_name(one) == "mul"]
    given = [list(tensors(one.inputs)) for one in products]
    if [len(one) for one in given] != [2, 2]:
        return None
    for first in given[0]:
        for second in given[1]:
            share, rest = (
                next(u for u in g if u is not x)
                for g, x in zip(given, (first, second), strict=True)
            )
            if _equal(first, second) and _complement(tape, share, rest, kernel):
                return Case(
                    kernel,
                    "two shares of the same numbers are added",
                    """what is weighed with a share and with one minus that share are the same
                    numbers: their sum is these, and the share does not count""",
                    "share * one + (1 - share) * other",
                    products[1].source,
                )
    return None


def _complement(tape: TapeIndex, share: TensorUse, rest: TensorUse, kernel: Kernel) -> bool:
    """Whether one of two tensors is 1 minus the other."""
    for one, other in ((share, rest), (rest, share)):
        maker = tape.maker(one.tensor, kernel.index)
        turned = maker is not None and operator_name(maker) == "rsub"
        if maker is not None and turned and next(tensors(maker.inputs)).tensor == other.tensor:
            return True
    return False


def _always_equal(evidence: Evidence) -> Iterator[Finding]:
    """A prediction, and what it is compared with or taken off from, that are the same numbers."""
    times: dict[tuple[str, int], list[tuple[TapeIndex, Kernel, bool]]] = {}
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            if kernel.phase == "forward" and kernel.requires_grad and kernel.source is not None:
                sides = _own_target(tape, kernel)
                if sides is not None:
                    line = kernel.source.file, kernel.source.line
                    times.setdefault(line, []).append((tape, kernel, _equal(*sides)))
    late = len(evidence.losses) // 2
    for found in times.values():
        same = [(tape, kernel) for tape, kernel, equal in found if equal]
        steps = {tape.step.index for tape, _ in same}
        always = len(same) == len(found) or max(steps, default=0) >= late
        if len(steps) >= _FEWEST and always and 2 * len(same) > len(found) and found[0][2]:
            tape, kernel = same[-1]
            yield RULE.finding(
                title="what the model says is compared with just that",
                message=f"""In {len(steps)} steps, `{evidence.line(kernel.source).strip()}` took
                    from what the model says numbers without a gradient that are the very same:
                    nothing is left. They come from the model itself as it is now, not from a target
                    or an older copy.""",
                fix="reference = copy.deepcopy(model)  # in front of the loop",
                step=tape.step.index,
                kernel=kernel,
            )
            return


def _own_target(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse] | None:
    """Both sides of a difference of which one carries a gradient, and not the same tensor."""
    pair = list(tensors(kernel.inputs))[:2]
    differs = operator_name(kernel) == "sub" or operator_name(kernel) in LOSSES
    if not differs or len(pair) != len({use.tensor for use in pair}) or len(pair) <= 1:
        return None
    carried = [use.tensor in tape.differentiable for use in pair]
    if sorted(carried) != [False, True] or _meets_exp(tape, kernel):
        return None
    if tape.itself(pair[0].tensor) == tape.itself(pair[1].tensor):
        return None
    return pair[0], pair[1]


def _meets_exp(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a ratio is made of it: the first pass over a batch has the ratio 1."""
    readers = tape.readers(kernel.outputs[0].tensor)
    return any(operator_name(one) in ("exp", "clamp") for one in readers)


def _equal(one: TensorUse, other: TensorUse) -> bool:
    """Whether two tensors hold the same numbers, several that differ from each other."""
    a, b = one.value, other.value
    if a is None or b is None or not (a.complete and b.complete) or a.shape != b.shape:
        return False
    varied = a.numel >= _SEVERAL and len(np.unique(a.array)) > 1
    return varied and bool(np.allclose(a.array, b.array, rtol=_ROUNDING, atol=_ROUNDING / 10))


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
