"""Means of unequal counts are averaged with equal weights.

What it finds:
    Several backwards before one update, each of a mean over another number of elements, all with
    the same weight: sentences of 4 and of 40 tokens count alike.

Why it is bad:
    A token of a short sentence weighs ten times as much as one of a long sentence. The gradient
    is not that of the mean over all tokens, and it changes with the way the batch is cut.

Evidence it needs:
    A full step: how many elements each loss is a mean of, and the factor in front of it.

Example:
    for ids in sentences:
        loss = cross_entropy(model(ids), target) / len(sentences)
        loss.backward()

Corrected:
    for ids in sentences:
        loss = cross_entropy(model(ids), target, reduction="sum") / tokens
        loss.backward()

When it is silent:
    Counts that differ by less than a factor of three, as the last batch of an epoch.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL111", "uneven-accumulation", "warning", "full")

_STEPS = 2
_UNEVEN = 3.0
_MEAN = 1.0  # reduction="mean", as ATen writes it
_Mean = tuple[int, float, Kernel]  # elements, factor, the loss


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find accumulations of means over unequal counts."""
    found = [(step, means) for step in evidence.full if (means := _uneven(step))]
    if len(found) >= _STEPS:
        yield _finding(*found[-1])


def _uneven(step: Step) -> list[_Mean]:
    """The means of a step's backwards, where they are uneven."""
    lines = {one.source.line for one in step.backwards if one.source}
    if len(step.backwards) < _STEPS or len(lines) != 1 or not step.updates:
        return []
    tape = TapeIndex(step)
    means = [_mean(tape, place) for place in range(len(step.backwards))]
    known = [one for one in means if one is not None]
    if len(known) < len(means) or len({factor for _, factor, _ in known}) > 1:
        return []
    counts = [count for count, _, _ in known]
    return known if max(counts) >= _UNEVEN * min(counts) else []


def _mean(tape: TapeIndex, backward: int) -> _Mean | None:
    kernel, factor = tape.loss_kernel(backward), 1.0
    if kernel is not None and operator_name(kernel) in ("div", "mul"):
        number = constant(kernel, "other")
        inner = next(iter(tensors(kernel.inputs)), None)
        if number is None or inner is None:
            return None
        factor = 1 / number if operator_name(kernel) == "div" else number
        kernel = tape.maker(inner.tensor, kernel.index)
    if kernel is None or operator_name(kernel) not in ("nll_loss_forward", "mse_loss"):
        return None
    if constant(kernel, "reduction") not in (None, _MEAN):
        return None
    given = next(iter(tensors(kernel.inputs)), None)
    return (given.spec.shape[0], factor, kernel) if given and given.spec.shape else None


def _finding(step: Step, means: list[_Mean]) -> Finding:
    counts = sorted(count for count, _, _ in means)
    source = means[0][2].source
    return RULE.finding(
        title=f"means over {counts[0]} to {counts[-1]} elements count alike in one update",
        message=f"""In step {step.index}, the update used the sum of {len(means)} gradients, each of
            a mean over {", ".join(map(str, counts))} elements, all with the same weight. An
            element of the smallest weighs {counts[-1] / counts[0]:.3g} times as much as one of the
            largest.""",
        fix='loss_fn(out, y, reduction="sum") / total  # total: elements of all of them together',
        step=step.index,
        events=tuple(f"kernel {kernel.index} {kernel.op}" for _, _, kernel in means[:3]),
        source=source,
    )
