"""A draw cuts the network off that it came from.

What it finds:
    Numbers drawn by ``sample()`` around a mean that a network computes, which go into the loss,
    while the loss has no use of their probability: no gradient goes back through the draw.

Why it is bad:
    The network that computes the mean does not learn from what is made of the draw.

Evidence it needs:
    A full step: what was drawn, what from, and who read it.

Example:
    loss = -critic(state, Normal(mean, std).sample()).mean()

Corrected:
    loss = -critic(state, Normal(mean, std).rsample()).mean()

When it is silent:
    Losses of the draw's log-probability (policy gradients), networks that the loss does not
    reach at all, and draws of whole numbers.

References:
    https://docs.pytorch.org/docs/stable/distributions.html#pathwise-derivative
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL218", "draw-without-path", "error", "full")

_FEWEST_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find draws whose mean carries a gradient in the backward that they go into."""
    found = [(step, kernel) for step in evidence.full if (kernel := _cut(step)) is not None]
    if len(found) >= _FEWEST_STEPS:
        step, kernel = found[0]
        yield RULE.finding(
            title="no gradient goes back through a draw",
            message=f"""In step {step.index}, `{evidence.line(kernel.source)}` draws around a mean
                that a network computed, and the loss is computed from what was drawn. sample()
                works without autograd: through the draw, the network learns nothing.""",
            fix="action = distribution.rsample()  # the draw as a function of mean and spread",
            step=step.index,
            kernel=kernel,
        )


def _cut(step: Step) -> Kernel | None:
    tape = TapeIndex(step)
    for kernel in step.kernels:
        given = list(tensors(kernel.inputs))
        if operator_name(kernel) != "normal" or kernel.phase != "forward" or not given:
            continue
        mean = tape.through_views(given[0].tensor, kernel.index)
        if mean is None or mean.node is None:
            continue
        around = {tape.memory(use.tensor) for use in given}
        readers = _readers(tape, kernel)
        scored = any(
            tape.memory(use.tensor) in around for one in readers for use in tensors(one.inputs)
        )
        used = any(one.node is not None and one.backward == mean.backward for one in readers)
        if used and not scored:
            return kernel
    return None


def _readers(tape: TapeIndex, draw: Kernel) -> list[Kernel]:
    """The kernels that read a draw, or what was put together from it."""
    found, waiting, seen = list[Kernel](), [draw], set[int]()
    while waiting:
        for output in waiting.pop().outputs:
            for reader in tape.readers(output.tensor):
                if reader.index <= draw.index or reader.index in seen:
                    continue
                seen.add(reader.index)
                found.append(reader)
                if reader.node is None:
                    waiting.append(reader)
    return found
