"""Weight decay acts on biases and norms, and on nothing else.

What it finds:
    Parameter groups of which one with weight decay holds biases and scales of norms only, while
    the matrices are in one without.

Why it is bad:
    It is the wrong way round: decay is meant for the matrices; biases and the scales of norms
    only suffer from it.

Evidence it needs:
    What each group of the optimizer holds, its numbers, and the parameters' shapes.

Example:
    groups = [{"params": biases, "weight_decay": 0.1}, {"params": matrices, "weight_decay": 0.0}]

Corrected:
    groups = [{"params": biases, "weight_decay": 0.0}, {"params": matrices, "weight_decay": 0.1}]

When it is silent:
    One group, the same decay for all, and groups that hold both kinds.

References:
    https://docs.pytorch.org/docs/stable/optim.html#per-parameter-options
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, number
from autograd_lens.trace.kept import Optimizer
from autograd_lens.trace.records import Source

RULE = Rule("AL512", "decay-on-small-parameters", "warning", "light")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a decay that leaves out all matrices."""
    for optimizer in evidence.optimizers:
        small: list[int] = []
        decay, other, start = 0.0, False, 0
        for part in optimizer.groups:
            end = start + part.size
            held = [one for one in optimizer.holds[start:end] if one is not None]
            start = end
            flat = all(len(evidence.parameters[index].shape) <= 1 for index in held)
            rate = part.attributes.get("weight_decay", 0.0)
            if held and rate and not flat:
                break
            if held and rate:
                small, decay = [*small, *held], rate
            elif held and not flat:
                other = True
        else:
            if small and other:
                yield _finding(evidence, optimizer, small, decay)


def _finding(evidence: Evidence, optimizer: Optimizer, small: list[int], decay: float) -> Finding:
    names = listed(evidence.names(small))
    backward = evidence.loop
    made = evidence.code(backward).makes({optimizer.kind})
    source = backward
    if backward is not None and made:
        source = Source.at(backward.file, made[0].lineno, end_line=made[0].end_lineno)
    return RULE.finding(
        title=f"weight decay {number(decay)} acts on biases and norms only",
        message=f"""The groups of {optimizer.name} with weight decay hold {names}, all of one axis;
            the matrices are in groups whose weight decay is 0.""",
        fix="# swap weight_decay of the groups, or the lists of parameters",
        step=0,
        events=("the optimizer's groups",),
        source=source,
    )
