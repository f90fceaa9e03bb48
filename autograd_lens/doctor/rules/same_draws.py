"""Every step draws the same random numbers.

What it finds:
    Dropout masks or noise that are the same, element for element, in different steps.

Why it is bad:
    A seed is set anew in every turn of the loop. Dropout then cuts the same units for good, and
    noise is one fixed shift that the model learns.

Evidence it needs:
    Full steps: what was drawn on the way to the loss.

Example:
    for x, y in loader:
        torch.manual_seed(0)

Corrected:
    torch.manual_seed(0)
    for x, y in loader:

When it is silent:
    Few numbers, steps of different shapes, and draws that do not lead to the loss.

References:
    https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import called
from autograd_lens.doctor.tape import DROPOUT, training_path
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, Source, Step
from autograd_lens.trace.values import Value

RULE = Rule("AL608", "same-draws", "warning", "full")

_DRAWS = DROPOUT | {"normal", "normal_", "uniform_", "rand", "randn", "rand_like", "randn_like"}
_FEWEST_STEPS = 3
_FEWEST = 32  # numbers that are no chance


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare the draws of all full steps."""
    drawn = [(step, found) for step in evidence.full if (found := _draws(step))]
    values = [tuple(value for _, value in found) for _, found in drawn]
    if len(values) < _FEWEST_STEPS or len(set(values)) > 1:
        return
    step, (first, *_) = drawn[0]
    kernel = first[0]
    seed = _seed(evidence)
    yield RULE.finding(
        title="every step draws the same random numbers",
        message=f"""`{evidence.line(kernel.source)}` drew the same numbers in
            {plural(len(values), "step")} ({", ".join(str(one.index) for one, _ in drawn)}), to
            the last bit: something sets the generator back in every step.""",
        fix="torch.manual_seed(0)  # once, before the loop",
        step=step.index,
        kernel=kernel,
        source=seed or kernel.source,
    )


def _draws(step: Step) -> list[tuple[Kernel, Value]]:
    """What a step drew on the way to its loss; none where that is little or not known."""
    path = training_path(step)
    found = [
        (kernel, kernel.outputs[0].value)
        for kernel in step.kernels
        if kernel.index in path and operator_name(kernel) in _DRAWS and kernel.outputs
    ]
    known = [(kernel, value) for kernel, value in found if value is not None and value.complete]
    enough = len(known) == len(found) and sum(value.numel for _, value in known) >= _FEWEST
    return known if enough else []


def _seed(evidence: Evidence) -> Source | None:
    """The line in a loop that sets the seed."""
    source = evidence.loop
    for call in evidence.code(source).makes({"manual_seed", "seed_everything", "set_seed"}):
        if source is not None and called(call) and call.lineno > 0:
            line = call.lineno
            if any(
                name == called(call)
                for _, name, at in evidence.code(source).calls(source.line)
                if at == line
            ):
                return Source.at(source.file, line)
    return None
