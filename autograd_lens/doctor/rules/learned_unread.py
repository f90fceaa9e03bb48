"""A number is learned, and nothing reads what was learned.

What it finds:
    A single number that a loss of its own trains, while the other losses of the step go on with
    what was made of it before the training: ``alpha = log_alpha.exp().item()`` in front of the
    loop, and never again.

Why it is bad:
    The number moves, and is printed, and has no effect: the temperature of the entropy stays what
    it was at the start.

Evidence it needs:
    Full steps with several backwards: what reads the number, and whether the numbers in the other
    losses are what it was at first.

Example:
    alpha = log_alpha.exp().item()
    for batch in loader:
        actor_loss = (alpha * log_prob - value).mean()
        alpha_loss = -(log_alpha * (log_prob.detach() + target)).mean()

Corrected:
    for batch in loader:
        alpha = log_alpha.exp().item()
        ...

When it is silent:
    Numbers that anything else in the program reads in one of the full steps, and runs in which one
    backward trains everything.

References:
    https://arxiv.org/abs/1812.05905
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import kept_for_backward, made_of
from autograd_lens.trace.graph import TapeIndex, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL227", "learned-unread", "warning", "full")

_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find numbers whose own loss is all that reads them, in every full step."""
    later = evidence.tapes[1:]  # to the first one belongs what is in front of the loop
    found = [dict(_unread(tape)) for tape in later]
    always = set.intersection(*map(set, found)) if len(found) >= _STEPS else set()
    yield from told(
        RULE,
        evidence,
        lambda tape: [_case(name, one) for name, one in _unread(tape) if name in always],
    )


def _case(name: str, kernel: Kernel) -> Case:
    return Case(
        kernel,
        f"{name} is learned, and nothing reads it",
        f"""a loss of its own trains {name}, and nothing but that loss ever reads it: the other
        losses of the step go on without what it has learned""",
        f"# make what the other losses use of {name} anew in every step",
    )


def _unread(tape: TapeIndex) -> Iterator[tuple[str, Kernel]]:
    """Each such number, and the kernel that reads it."""
    graphs = [(one.index, one.graph) for one in tape.step.backwards if one.graph is not None]
    for place, graph in graphs if len(graphs) > 1 else ():
        names = {node.variable for node in graph.nodes if node.variable}
        loss = tape.loss_kernel(place)
        if len(names) != 1 or loss is None:
            continue
        (name,) = names
        behind = {loss.index, *(one.index for one in _behind(tape, loss))}
        updated = {one.parameter for one in tape.step.updates}
        made = made_of(tape, loss.outputs[0].tensor, loss.index + 1)
        readers = list(_descent(tape, name, loss))
        inside = bool(readers) and all(one.index in behind for one in readers)
        if name in updated and made & (updated - {name}) and inside and _single(readers[0], name):
            yield name, readers[0]


def _behind(tape: TapeIndex, loss: Kernel) -> Iterator[Kernel]:
    return tape.ancestors(loss.outputs[0].tensor, loss.index + 1)


def _single(kernel: Kernel, name: str) -> bool:
    """Whether what a kernel reads by that name is one number."""
    found = next((use for use in tensors(kernel.inputs) if use.spec.name == name), None)
    return found is not None and prod(found.spec.shape) == 1


def _descent(tape: TapeIndex, name: str, loss: Kernel) -> Iterator[Kernel]:
    """Kernels outside of backward and update that what is called so goes into, but for the loss."""
    reached = set[int]()
    for kernel in tape.kernels:
        if (
            kernel.phase != "forward"
            or kernel.index == loss.index
            or kept_for_backward(tape, kernel)
        ):
            continue
        if any(use.spec.name == name or use.tensor in reached for use in tensors(kernel.inputs)):
            reached |= {use.tensor for use in kernel.outputs}
            yield kernel
