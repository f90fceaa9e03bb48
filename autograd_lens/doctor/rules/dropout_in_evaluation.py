"""Dropout is on where it should be off.

What it finds:
    Dropout that runs while the model is in evaluation mode, because it is a function that was not
    told (``F.dropout(x)``) or a layer made inside ``forward()``; and a teacher, which nothing
    trains, whose targets are computed with dropout.

Why it is bad:
    What is measured, or taught, is random, and worse than the model is.

Evidence it needs:
    Full steps: each kernel with the mode of the module that ran it.

Example:
    x = F.dropout(x, 0.5)

Corrected:
    x = F.dropout(x, 0.5, training=self.training)

When it is silent:
    Dropout layers that are switched to training mode by themselves, and ``training=True`` in the
    text: both are meant (dropout as a measure of doubt). Frozen layers in front of trained ones,
    or beside them, as in an adapter: what they compute is compared, not compared with.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.tape import DROPOUT, LOSSES
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL605", "dropout-in-evaluation", "warning", "full")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find dropout in evaluations and in teachers."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            if operator_name(kernel) not in DROPOUT or kernel.phase != "forward":
                continue
            if _evaluates(tape.step, kernel) and "training=True" not in evidence.line(
                kernel.source
            ):
                yield _in_evaluation(evidence, tape.step, kernel)
                return
            names = _teacher(evidence, tape, kernel)
            if names:
                yield _of_teacher(evidence, tape.step, kernel, names)
                return


def _evaluates(step: Step, kernel: Kernel) -> bool:
    """Whether the layers around it are in evaluation mode, and it is no layer of the model."""
    if not kernel.module or _carries(step, kernel):
        return False
    if kernel.training is False:
        return True
    layers = (
        one.training
        for one in reversed(step.kernels[: kernel.index])
        if one.phase == "forward" and any(u.spec.role == "parameter" for u in tensors(one.inputs))
    )
    return kernel.module.startswith("Dropout") and next(layers, None) is False


def _carries(step: Step, kernel: Kernel) -> bool:
    """Whether autograd records what comes of it: then it is no evaluation."""
    made = {output.tensor for output in kernel.outputs}
    return any(
        one.requires_grad and not made.isdisjoint(use.tensor for use in tensors(one.inputs))
        for one in step.kernels[kernel.index + 1 :]
    )


def _teacher(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> list[str]:
    """The parameters in front of a dropout, where they are a teacher's (see above)."""
    if not kernel.training or _carries(tape.step, kernel) or not kernel.outputs:
        return []
    start = kernel.outputs[0].tensor
    behind = [one for one in tape.ancestors(start, kernel.index + 1) if one.phase == "forward"]
    names = list(
        dict.fromkeys(
            use.spec.name
            for one in behind
            for use in tensors(one.inputs)
            if use.spec.role == "parameter"
        )
    )
    fixed = names and not any(_trained(evidence, name) for name in names)
    return names if fixed and _meets_loss(evidence, tape, start, kernel.index) else []


def _trained(evidence: Evidence, name: str) -> bool:
    known = [parameter.name for parameter in evidence.parameters]
    index = known.index(name) if name in known else None
    if index is None:
        return True
    gaps = [gap for window in evidence.gaps(index) for gap in window]
    return not gaps or any(gap.written or gap.updated for gap in gaps)


def _meets_loss(evidence: Evidence, tape: TapeIndex, start: int, index: int) -> bool:
    """Whether it is what a loss compares with, and no part of what is compared.

    So no trained layer reads it, it meets what carries a gradient where a loss takes its target,
    and from there to the loss nothing else comes in.
    """
    waiting, seen = [(start, index)], {start}
    met = False
    while waiting:
        tensor, after = waiting.pop()
        for reader in tape.readers(tensor):
            if reader.index <= after:
                continue
            if any(_trained(evidence, name) for name in _weights(tape, reader)):
                return False
            if reader.requires_grad:
                if not (_is_target(tape, reader, tensor) and _only_loss(tape, reader)):
                    return False
                met = True
                continue
            for output in reader.outputs:
                if output.tensor not in seen:
                    seen.add(output.tensor)
                    waiting.append((output.tensor, reader.index))
    return met


def _weights(tape: TapeIndex, kernel: Kernel) -> list[str]:
    """The parameters that a kernel is given, their views too."""
    named = {
        tape.memory(use.tensor): use.spec.name
        for one in tape.kernels
        for use in tensors(one.inputs)
        if use.spec.role == "parameter"
    }
    places = [tape.memory(use.tensor) for use in tensors(kernel.inputs)]
    return [named[place] for place in places if place in named]


def _is_target(tape: TapeIndex, kernel: Kernel, tensor: int) -> bool:
    """Whether a kernel compares a prediction with that tensor."""
    name, given = operator_name(kernel), list(tensors(kernel.inputs))
    if name == "mul":
        others = [use for use in given if use.tensor != tensor]
        makers = [tape.through_views(use.tensor, kernel.index) for use in others]
        return any(one is not None and operator_name(one) == "_log_softmax" for one in makers)
    if name in LOSSES:
        return [use.tensor for use in given[1:2]] == [tensor]
    return name in ("sub", "rsub")


def _only_loss(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether only sums and functions of what a kernel made lead from it to the loss."""
    waiting, seen = [kernel], {kernel.index}
    while waiting:
        one = waiting.pop()
        for output in one.outputs:
            for reader in tape.readers(output.tensor):
                apart = [use for use in tensors(reader.inputs) if use.tensor != output.tensor]
                if any(use.spec.role == "input" for use in apart) or _weights(tape, reader):
                    return False
                if reader.index not in seen:
                    seen.add(reader.index)
                    waiting.append(reader)
    return True


def _in_evaluation(evidence: Evidence, step: Step, kernel: Kernel) -> Finding:
    layer = kernel.module.startswith("Dropout")
    why = (
        "a Dropout made inside forward() is a new layer, always in training mode, and the model's "
        "eval() does not reach it"
        if layer
        else "F.dropout does not know the module's mode: its training=True is a default"
    )
    return RULE.finding(
        title="dropout runs in evaluation mode",
        message=f"""In step {step.index}, the model is in evaluation mode, and
            {operator_name(kernel)} of `{evidence.line(kernel.source)}` drops elements all the
            same: {why}.""",
        fix=(
            "self.dropout = nn.Dropout(p)  # in __init__(), and self.dropout(x) in forward()"
            if layer
            else "F.dropout(x, p, training=self.training)"
        ),
        step=step.index,
        kernel=kernel,
    )


def _of_teacher(evidence: Evidence, step: Step, kernel: Kernel, names: list[str]) -> Finding:
    model = names[0].partition(".")[0]
    return RULE.finding(
        title=f"{model}, which is not trained, computes targets with dropout",
        message=f"""In step {step.index}, `{evidence.line(kernel.source)}` runs layer
            {kernel.module} ({operator_name(kernel)}) in training mode. {listed(names)} never
            change, and what comes of them is what the loss compares with: the targets are
            random.""",
        fix=f"{model}.eval()  # before the loop",
        step=step.index,
        kernel=kernel,
    )
