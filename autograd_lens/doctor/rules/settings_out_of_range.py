"""A setting has a value that defeats its purpose.

What it finds:
    Adam's two betas in the wrong order, a momentum of 1 or more, a weight decay that is far
    larger than any gradient, a dropout that leaves a tenth or less.

Why it is bad:
    With momentum 1 no step is ever forgotten, and the parameters never come to rest. A decay of 1
    pulls the weights to zero, whatever the loss says. `Dropout(0.95)` drops 95 of 100; frameworks
    that ask for what is kept mean the opposite.

Evidence it needs:
    The numbers of the optimizer, and of the kernels that draw what is dropped.

Example:
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.999, 0.9))

Corrected:
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.999))

When it is silent:
    Decoupled weight decay (AdamW), and values that are rare but used.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import constant, operator_name
from autograd_lens.trace.kept import Optimizer
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL516", "settings-out-of-range", "warning", "light")

_DECAY = 0.5  # of a weight, beside a gradient that is seldom as large
_DECOUPLED = frozenset({"AdamW", "SGDW", "Lion", "Muon"})
_DROPPED = 0.9
_Case = tuple[str, str, str]  # title, what it does, fix


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find such settings."""
    for optimizer in evidence.optimizers:
        groups = (part.attributes for part in optimizer.parts)
        case = next((one for group in groups for one in _cases(optimizer, group)), None)
        if case is not None:
            yield _of_optimizer(evidence, optimizer, case)
    for step in evidence.full:
        kernel = next((one for one in step.kernels if _dropped(one) >= _DROPPED), None)
        if kernel is not None:
            yield _of_dropout(evidence, step.index, kernel)
            return


def _cases(optimizer: Optimizer, group: Mapping[str, float]) -> Iterator[_Case]:
    first, second = group.get("betas[0]", 0.0), group.get("betas[1]", 1.0)
    if first > second:
        yield (
            f"betas = ({first:g}, {second:g}): they seem to be swapped",
            f"""The mean of the gradients forgets a step after about {1 / (1 - first):,.0f}, the
            mean of their squares after about {1 / (1 - second):,.0f}: it should be the slower one,
            as the step is divided by its root."""
            if first < 1
            else "The first beta has to be below 1.",
            f"betas=({second:g}, {first:g})",
        )
    momentum = group.get("momentum", 0.0)
    if momentum >= 1:
        yield (
            f"momentum = {momentum:g}: no step is ever forgotten",
            "Each gradient goes on moving the parameters in every step after it.",
            "momentum=0.9",
        )
    decay = group.get("weight_decay", 0.0)
    if decay >= _DECAY and optimizer.kind not in _DECOUPLED:
        yield (
            f"weight_decay = {decay:g} outweighs the gradients",
            f"""{number(decay)} times each weight is added to its gradient: the weights go to zero,
            whatever the loss says.""",
            "weight_decay=1e-4",
        )


def _of_optimizer(evidence: Evidence, optimizer: Optimizer, case: _Case) -> Finding:
    title, what, fix = case
    loop = evidence.loop
    made = evidence.code(loop).makes({optimizer.kind})
    line = made[0].lineno if made else 0
    source = Source.at(loop.file, line) if loop is not None and line else loop
    return RULE.finding(
        title=f"{optimizer.kind}: {title}",
        message=what,
        fix=fix,
        events=("the optimizer's numbers",),
        source=source,
    )


def _dropped(kernel: Kernel) -> float:
    """Which share a kernel of dropout drops, 0 for other kernels."""
    share = constant(kernel, "p")
    if kernel.phase != "forward" or share is None or not kernel.module:
        return 0.0
    if operator_name(kernel) == "native_dropout":
        return share
    return 1.0 - share if operator_name(kernel) == "bernoulli_" else 0.0


def _of_dropout(evidence: Evidence, step: int, kernel: Kernel) -> Finding:
    share, made = _dropped(kernel), evidence.code(kernel.source).makes({"Dropout"})
    one = kernel.source is not None and len(made) == 1
    return RULE.finding(
        title=f"dropout {kernel.module} drops {share:.0%} of what goes through it",
        message=f"""In step {step}, about {1 - share:.0%} was kept, and multiplied with
            {number(1 / max(1 - share, 1e-9))}. The number that nn.Dropout is given is the share
            that it drops.""",
        fix=f"nn.Dropout({1 - share:.2g})",
        step=step,
        kernel=kernel,
        source=Source.at(kernel.source.file, made[0].lineno) if kernel.source and one else None,
    )
