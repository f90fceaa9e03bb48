"""The loss expects something else than what it is given.

What it finds:
    Softmax before a loss that applies softmax itself; a sigmoid before a loss on logits;
    numbers that are no log-probabilities in ``nll_loss``. A distribution over logits, or a
    Gumbel softmax, that is given the result of a softmax.

Why it is bad:
    Softmax of softmax squeezes all classes together: the loss cannot come near 0, gradients are
    small, and learning is slow or stops. ``nll_loss`` of logits has no lower end at all.

Evidence it needs:
    A full step: which kernel made what the loss read, and its values.

Example:
    probabilities = torch.softmax(model(x), dim=1)
    loss = nn.CrossEntropyLoss()(probabilities, y)

Corrected:
    loss = nn.CrossEntropyLoss()(model(x), y)

When it is silent:
    Attention, whose softmax goes through a product; log_softmax twice, which changes nothing;
    ``nll_loss`` of numbers none of which is positive.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL403", "double-softmax", "error", "full")

_NEGATIVE_LOGS = frozenset({"nll_loss2d_forward", "nll_loss_forward", "nll_loss_nd"})
_PROBABLE = frozenset({"_softmax", "sigmoid"})
_ROUNDING = 1e-3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first loss that gets the wrong kind of numbers."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            if kernel.phase == "forward" and kernel.node is not None:
                found = _twice(tape, kernel) or _no_logarithms(kernel)
                if found:
                    yield _finding(evidence, tape, kernel, found)
                    return


def _twice(tape: TapeIndex, kernel: Kernel) -> tuple[str, str, str] | None:
    """Title, explanation and fix where an activation of the loss is applied a second time."""
    given = argument(kernel, "self")
    maker = tape.through_views(given.tensor, kernel.index) if given else None
    name, before = operator_name(kernel), operator_name(maker) if maker else ""
    if before == "_softmax" and maker is not None and _draws(tape, kernel):
        return (
            "a distribution over logits is given probabilities",
            """What is drawn from is the softmax of what it was given, and that was the result of a
            softmax already: all classes are nearly as probable as each other.""",
            "Categorical(probs=probabilities)  # or without the softmax in front",
        )
    if name == "_log_softmax" and before == "_softmax":
        return (
            "softmax is applied twice before the loss",
            "The loss applies log_softmax itself, and what it was given are probabilities already.",
            "cross_entropy(logits, y)  # without softmax in the model",
        )
    if name == "binary_cross_entropy_with_logits" and before in ("sigmoid", "_softmax"):
        return (
            f"a loss on logits is given the result of {before.strip('_')}",
            "The loss applies a sigmoid itself, and what it was given are probabilities already.",
            "binary_cross_entropy_with_logits(logits, y)  # without sigmoid in the model",
        )
    return None


def _draws(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether logits are made a distribution: less their logsumexp, or with a Gumbel's noise."""
    if operator_name(kernel) not in ("sub", "add"):
        return False
    makers = [tape.through_views(one.tensor, kernel.index) for one in tensors(kernel.inputs)][1:]
    names = [operator_name(one) for one in makers if one is not None]
    if operator_name(kernel) == "sub":
        return names == ["logsumexp"]
    behind = (tape.maker(next(tensors(one.inputs)).tensor, one.index) for one in makers if one)
    return names == ["neg"] and any(one and operator_name(one) == "log" for one in behind)


def _no_logarithms(kernel: Kernel) -> tuple[str, str, str] | None:
    given = argument(kernel, "self")
    if operator_name(kernel) not in _NEGATIVE_LOGS or given is None or given.value is None:
        return None
    summary = given.value.summary
    largest = summary.maximum if summary else float(given.value.array.max(initial=0.0))
    if largest is None or not largest > _ROUNDING:
        return None
    why = f"It was given numbers up to {number(largest)}; no logarithm of a probability is above 0."
    return (
        "nll_loss is given numbers that are no log-probabilities",
        why,
        "nll_loss(torch.log_softmax(logits, 1), y)  # or cross_entropy(logits, y)",
    )


def _finding(
    evidence: Evidence, tape: TapeIndex, kernel: Kernel, found: tuple[str, str, str]
) -> Finding:
    title, why, fix = found
    given = argument(kernel, "self")
    maker = tape.through_views(given.tensor, kernel.index) if given else None
    step, soft = tape.step, maker is not None and operator_name(maker) in _PROBABLE
    made = f" They come from `{evidence.line(maker.source)}`." if maker else ""
    return RULE.finding(
        title=title,
        message=f"""In step {step.index}, the loss is {number(step.loss or 0.0)}. {why}{made}""",
        fix=fix,
        step=step.index,
        events=(
            *((f"kernel {maker.index} {maker.op}",) if maker else ()),
            f"kernel {kernel.index} {kernel.op}",
        ),
        source=maker.source if maker is not None and soft else kernel.source,
    )
