"""What a loss compares with, or weighs with, is trained as well.

What it finds:
    A target that was computed by the model and not detached: reward plus discounted value in
    Q-learning, the output of a teacher; an advantage that carries the gradient of the policy's
    loss into the critic.

Why it is bad:
    The optimizer may move the target towards the prediction, too. A critic that is given the
    policy's gradient learns to praise what the policy does, and not what it earns.

Evidence it needs:
    A full step: the loss with its two sides, and which parameters lie behind each; what the
    optimizers hold.

Example:
    target = reward + 0.99 * net(after).max(1)[0]
    loss = F.mse_loss(net(before).gather(1, action).squeeze(1), target)

Corrected:
    target = (reward + 0.99 * net(after).max(1)[0]).detach()
    loss = F.mse_loss(net(before).gather(1, action).squeeze(1), target)

When it is silent:
    Two outputs of a model that are compared with each other and of which neither is called a
    target, and targets behind which no trained parameter lies.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.tape import LOSSES, compared, divergence, parameters_behind
from autograd_lens.doctor.terms import likelihoods
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, TensorUse

RULE = Rule("AL222", "target-carries-gradient", "warning", "full")

_PAIR = 2
_TARGET = re.compile(r"target|expected|teacher|bootstrap|label", re.IGNORECASE)
_TEACHER = re.compile(r"teacher|target|\bema\b", re.IGNORECASE)
_SCORES = re.compile(r"adv|delta|td_|error|surprise", re.IGNORECASE)
_RATIO = frozenset({"exp", "minimum", "min", "clamp", "sub", "mul"})
_Side = tuple[TensorUse, TensorUse, Kernel]  # what is compared, with what, where


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first target that is trained."""
    for tape in evidence.tapes:
        trained = _trained(evidence, tape)
        for kernel in tape.kernels:
            if kernel.phase != "forward" or not kernel.requires_grad:
                continue
            for other, target, place in _sides(tape, kernel):
                behind = parameters_behind(tape, target.tensor, place.index) & trained
                if behind and other.tensor in tape.differentiable:
                    yield _finding(evidence, tape, target, place, sorted(behind))
                    return


def _trained(evidence: Evidence, tape: TapeIndex) -> set[str]:
    """Parameters that an optimizer holds; those that were updated, where none is known."""
    held = set(evidence.names(sorted(evidence.ledger.holders)))
    return held or {update.parameter for update in tape.step.updates}


def _sides(tape: TapeIndex, kernel: Kernel) -> Iterator[_Side]:
    """The pairs of a kernel of which the second is to be a constant."""
    name, sides = operator_name(kernel), compared(tape, kernel)
    if sides is not None:
        yield from (pair for pair in _either(kernel, *sides) if _constant(tape, pair[1]))
    elif (diverging := divergence(tape, kernel)) is not None:
        yield from _of_teacher(tape, *diverging)
    elif name == "mul":
        pair = list(tensors(kernel.inputs))
        for one, other, _ in _either(kernel, *pair) if len(pair) == _PAIR else ():
            if _advantage(tape, kernel, one, other):
                yield one, other, kernel


def _either(kernel: Kernel, one: TensorUse, other: TensorUse) -> Iterator[_Side]:
    """Both orders of a pair; a loss of torch has the target behind the prediction."""
    yield one, other, kernel
    if operator_name(kernel) not in LOSSES:
        yield other, one, kernel


def _constant(tape: TapeIndex, use: TensorUse) -> bool:
    """Whether one side of a loss is meant as a constant."""
    return _called_target(tape, use) or _bootstrapped(tape, use)


def _called_target(tape: TapeIndex, use: TensorUse) -> bool:
    """Whether the program calls it a target, or what it is a view of."""
    names = [use.spec.name, *(one.spec.name for one in _before_views(tape, use))]
    return any(_TARGET.search(name) for name in names)


def _before_views(tape: TapeIndex, use: TensorUse) -> Iterator[TensorUse]:
    for kernel in tape.views(use.tensor):
        yield from tensors(kernel.inputs)


def _bootstrapped(tape: TapeIndex, use: TensorUse) -> bool:
    """Whether it is data plus a discounted output of the model: ``r + 0.99 * v``."""
    made = tape.through_views(use.tensor, len(tape.kernels))
    if made is None or operator_name(made) != "add":
        return False
    sides = list(tensors(made.inputs))
    grown = [one for one in sides if one.tensor in tape.differentiable]
    if len(sides) != _PAIR or len(grown) != 1:
        return False
    product = tape.through_views(grown[0].tensor, made.index)
    factor = constant(product, "other") if product is not None else None
    while product is not None and operator_name(product) == "mul" and factor is None:
        inner = [one for one in tensors(product.inputs) if one.tensor in tape.differentiable]
        product = tape.through_views(inner[0].tensor, product.index) if len(inner) == 1 else None
        factor = constant(product, "other") if product is not None else None
    discounts = product is not None and operator_name(product) == "mul"
    return discounts and factor is not None and 0 < factor <= 1


def _of_teacher(
    tape: TapeIndex, given: TensorUse, target: TensorUse, reader: Kernel
) -> Iterator[_Side]:
    """A divergence from what another network says, one that is called a teacher."""
    behind = parameters_behind(tape, target.tensor, reader.index)
    student = parameters_behind(tape, given.tensor, reader.index)
    if behind and not behind & student and all(_TEACHER.search(name) for name in behind):
        yield given, target, reader


def _advantage(tape: TapeIndex, kernel: Kernel, chosen: TensorUse, weight: TensorUse) -> bool:
    """Whether log-probabilities of actions, or their ratios, are weighed with an advantage."""
    made = tape.through_views(weight.tensor, kernel.index)
    if made is None or not _of_actions(tape, chosen, kernel.index):
        return False
    differs = operator_name(made) in ("sub", "rsub")
    other = differs and not _of_actions(tape, weight, kernel.index)
    return other or bool(_SCORES.search(weight.spec.name))


def _of_actions(tape: TapeIndex, use: TensorUse, before: int, depth: int = 4) -> bool:
    if any(likelihoods(tape, use, before)):
        return True
    made = tape.through_views(use.tensor, before)
    if made is None or not depth or operator_name(made) not in _RATIO:
        return False
    given = tensors(made.inputs)
    return any(_of_actions(tape, one, made.index, depth - 1) for one in given)


def _finding(
    evidence: Evidence, tape: TapeIndex, target: TensorUse, kernel: Kernel, names: list[str]
) -> Finding:
    step = tape.step
    name = target.spec.name or "the target"
    source = _made_at(tape, target, kernel) or kernel.source
    return RULE.finding(
        title=f"{name} carries gradient: the loss trains it, too",
        message=f"""In step {step.index}, the loss (`{evidence.line(kernel.source)}`) uses {name},
            made by `{evidence.line(source)}` and not detached: its gradient goes through {name} to
            {listed(names)} as well, which the optimizer updates.""",
        fix=f"{target.spec.name or 'target'}.detach()",
        step=step.index,
        kernel=kernel,
        source=source,
    )


def _made_at(tape: TapeIndex, target: TensorUse, kernel: Kernel) -> Source | None:
    made = tape.maker(target.tensor, kernel.index)
    return made.source if made is not None else None
