"""A NaN or Inf came into being and poisoned the training.

What it finds:
    The first kernel that made a NaN or an infinite number out of finite ones, in forward,
    backward or update, in a run whose loss or parameters became NaN or infinite.

Why it is bad:
    Every number computed from a NaN is NaN. Once it is in a parameter, nothing that the model
    computes means anything, and no later step can undo it.

Evidence it needs:
    Light steps say when. A full step says where; if that step is light, the finding names the
    command that records it in full.

Example:
    distance = torch.sqrt((x ** 2).sum(1))     # slope infinite at 0

Corrected:
    distance = torch.sqrt((x ** 2).sum(1) + 1e-8)

When it is silent:
    Infinities that never reach the loss or a parameter (masks of attention, the scaled gradients
    of GradScaler when it skips the update).

References:
    https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, finite
from autograd_lens.doctor.finding import Finding, Rule, number, replayed, shape
from autograd_lens.doctor.numbers import Birth, Poisoned, first_birth, poisoned
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL301", "nan-born", "error", "light")

_CAUSES = {
    "sqrt": ("the slope of sqrt at 0 is infinite", "torch.sqrt(x + 1e-8)"),
    "rsqrt": ("1/sqrt is infinite at 0", "torch.rsqrt(x + 1e-8)"),
    "log": ("log of 0 is -inf, and its slope there infinite", "torch.log(x + 1e-8)"),
    "exp": ("exp overflows float32 above 88.7", "torch.softmax(x, 1)  # shifts x before exp"),
    "div": ("a division by zero", "x / (y + 1e-8)"),
    "pow": ("a power whose value or slope is infinite at 0", "(x + 1e-8) ** p"),
    "_softmax": (
        "a row that a mask made -inf from end to end has no softmax",
        "# leave at least one place of every row unmasked",
    ),
    "std": ("the spread of a single number is 0 divided by n - 1 = 0", "x.std(correction=0)"),
    "var": ("the spread of a single number is 0 divided by n - 1 = 0", "x.var(correction=0)"),
    "norm": ("the slope of a norm at 0 has no value", "((x ** 2).sum() + 1e-8).sqrt()"),
}  # fmt: skip
_FILLS = frozenset({"masked_fill", "masked_fill_", "where"})
_OF_POSITIVES = frozenset({"log", "log2", "log10", "sqrt", "rsqrt"})
_WHERE = """torch.where(mask, numerator / torch.where(mask, denominator, 1.0), 0.0)"""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find where the first NaN or Inf came from."""
    found = poisoned(evidence)
    if found is None:
        return
    step = evidence.full_step(found.step)
    # What the program computes in front of its first step is not on the tape of that step.
    later = (one for one in evidence.full if one.index > found.step)
    for one in (step, *later) if step is not None else ():
        birth = first_birth(one)
        if birth is not None:
            yield _where(found, one, birth)
            return
    yield _only_when(evidence, found) if step is None else _came_in(found, step)


def _came_in(found: Poisoned, step: Step) -> Finding:
    masked = _masked_early(step)
    if masked is not None:
        return _filled_first(found, step, *masked)
    hidden = _hidden(step)
    if hidden is not None:
        return _masked_late(found, step, *hidden)
    kernel, use = next(
        ((k, use) for k in step.kernels for use in tensors(k.inputs) if not finite(use.value)),
        (None, None),
    )
    name = use.spec.name if use is not None else ""
    source = kernel.source if kernel else None
    return RULE.finding(
        title=f"{name or 'an input'} is NaN or infinite before step {step.index} begins",
        message=f"""{found.what.capitalize()} of step {step.index} is no finite number, and no
            kernel of the step made it so out of finite ones: {name or "a tensor"} held NaN or
            infinities when the forward first read it.""",
        fix=f"assert {name or 'x'}.isfinite().all()  # where it is loaded or computed",
        step=step.index,
        events=(f"kernel {kernel.index} {kernel.op}",) if kernel else (),
        source=source,
    )


def _masked_early(step: Step) -> tuple[Kernel, Kernel] | None:
    """The forward kernel that was given infinities of a mask, and the NaN of its backward."""
    tape = TapeIndex(step)
    for kernel in step.kernels:
        bad = kernel.phase == "backward" and any(_holds_nan(out.value) for out in kernel.outputs)
        if not bad or any(_holds_nan(use.value) for use in tensors(kernel.inputs)):
            continue
        node = tape.node_of(kernel)
        forward = tape.kernel_of(node) if node is not None else None
        for use in tensors(forward.inputs) if forward is not None else ():
            maker = tape.maker(use.tensor, forward.index) if forward is not None else None
            fills = maker is not None and operator_name(maker) in _FILLS
            if forward is not None and fills and not finite(use.value):
                return forward, kernel
        return None
    return None


def _holds_nan(value: Value | None) -> bool:
    if value is None or finite(value):
        return False
    if value.data is None:
        return bool(value.summary and value.summary.nan_count)
    return bool(np.isnan(value.array).any())


def _filled_first(found: Poisoned, step: Step, forward: Kernel, backward: Kernel) -> Finding:
    name = operator_name(forward)
    return RULE.finding(
        title=f"the infinities of a mask went through {name}: its gradient is NaN",
        message=f"""In step {step.index}, {name} was given numbers of which a mask had made some
            infinite. The loss is finite, for what follows leaves them out; but the backward of
            {name} multiplies their zero gradient with infinity, and 0 times infinity is NaN. From
            there it reached {found.what}.""",
        fix='# mask last: masked_fill(mask, float("-inf")) directly before the softmax',
        step=step.index,
        events=(f"kernel {forward.index} {forward.op}", f"kernel {backward.index} {backward.op}"),
        source=forward.source,
    )


def _hidden(step: Step) -> tuple[Kernel, TensorUse] | None:
    """The kernel that leaves out what is not finite, in a step whose loss is finite."""
    if step.loss is None or not np.isfinite(step.loss):
        return None
    for kernel in step.kernels:
        if kernel.phase == "forward" and kernel.requires_grad and kernel.outputs:
            given = [use for use in tensors(kernel.inputs) if not finite(use.value)]
            if given and all(finite(output.value) for output in kernel.outputs):
                return kernel, given[0]
    return None


def _masked_late(found: Poisoned, step: Step, kernel: Kernel, use: TensorUse) -> Finding:
    held = next(
        (u.spec.name for k in step.kernels for u in tensors(k.inputs) if not finite(u.value)), ""
    )
    return RULE.finding(
        title="NaN is masked behind the loss, and its gradient is NaN all the same"
        + (f" ({held})" if held else ""),
        message=f"""In step {step.index}, {held or "a tensor"} holds NaN or infinities, and
            {operator_name(kernel)} leaves them out of a tensor of shape {shape(use.spec.shape)}
            when they have gone through the computation: the loss is finite, but the backward of
            what computed them multiplies their zero gradient with NaN. From there it reached
            {found.what}.""",
        fix="loss_fn(prediction[mask], target[mask])  # mask what goes into the loss",
        step=step.index,
        kernel=kernel,
    )


def _only_when(evidence: Evidence, found: Poisoned) -> Finding:
    before = evidence.losses[found.step - 1] if found.step else None
    was = f" It was {number(float(before))} one step earlier." if before is not None else ""
    return RULE.finding(
        title=f"{found.what} became NaN or infinite in step {found.step}",
        message=f"""In step {found.step}, {found.what} was no finite number any more.{was} The
            step was not recorded in full, so that the kernel that made it is not known yet; the
            command below records it.""",
        fix=f"# first find the kernel: record step {found.step} in full, as below",
        step=found.step,
        look=f"autograd-lens rerun {{file}} --full {found.step}",
    )


def _where(found: Poisoned, step: Step, birth: Birth) -> Finding:
    kernel = birth.kernel
    node = birth.node_name
    cause, fix = _explain(birth)
    what = f"{node} ({operator_name(kernel)})" if node else operator_name(kernel)
    return RULE.finding(
        title=f"first {birth.word} in {kernel.phase} of step {step.index}: {what}",
        message=f"""In step {step.index}, {kernel.phase}, {what} made {birth.count} {birth.word} out
            of finite numbers, in a result of shape {shape(birth.output.spec.shape)}: {cause}. From
            there it reached {found.what}.""",
        fix=fix,
        step=step.index,
        events=(f"kernel {kernel.index} {kernel.op}", *birth.after, *replayed(step)),
        source=birth.source,
    )


def _explain(birth: Birth) -> tuple[str, str]:
    """What is known of such a birth, and a remedy."""
    if birth.masked:
        return "0 times infinity: where() hides the value but not its slope", _WHERE
    lowest = _lowest_operand(birth.kernel)
    name = operator_name(birth.kernel)
    if name in _OF_POSITIVES and lowest < 0:
        return (
            f"{name} of a negative number, {number(lowest)}, does not exist",
            f"torch.{name}(x.clamp(min=1e-8))  # better: a model that cannot go below 0",
        )
    if name == "_softmax" and birth.kernel.phase == "forward":
        return _CAUSES[name]
    for word in (birth.node_name.removesuffix("Backward0").lower(), operator_name(birth.kernel)):
        for name, known in _CAUSES.items():
            if word == name or (name == "norm" and "norm" in word):
                return known
    return "the operands leave the range where the result is a number", "clamp the operand first"


def _lowest_operand(kernel: Kernel) -> float:
    """The smallest number that a kernel was given; infinity where it is not known."""
    values = [use.value for use in tensors(kernel.inputs) if use.value is not None]
    return min(
        (float(one.array.min(initial=np.inf)) for one in values if _real(one)), default=np.inf
    )


def _real(value: Value) -> bool:
    return value.complete and value.array.dtype.kind == "f"
