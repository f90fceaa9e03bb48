"""A tensor that backward needs was changed in place, and PyTorch noticed.

What it finds:
    The error "one of the variables needed for gradient computation has been modified by an
    inplace operation", with both lines: the one that saved the tensor and the one that changed it.

Why it is bad:
    The derivative would be computed from the wrong values, so PyTorch stops.

Evidence it needs:
    The error; for the two lines a full step.

Example:
    h = torch.sigmoid(x)
    h += 1

Corrected:
    h = torch.sigmoid(x)
    h = h + 1

When it is silent:
    No such error. Changes that PyTorch cannot notice are AL204 saved-tensor-changed.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.records import Finding, Rule
from autograd_lens.doctor.tape import Tape, writes_in_place
from autograd_lens.trace.records import Graph, Kernel, Step

RULE = Rule("AL203", "saved-tensor-version", "error", "event")

_ERROR = "modified by an inplace operation"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain the error with both lines."""
    failure = evidence.failure
    if failure is None or _ERROR not in failure.message:
        return
    step = evidence.full_step(failure.step) if failure.step is not None else None
    saved, changed = _pair(step) if step is not None else (None, None)
    if saved is None or changed is None:
        yield _only_the_error(evidence)
        return
    keeper, writer = evidence.line(saved.source), evidence.line(changed.source)
    update = changed.phase == "update"
    advice = (
        "# call backward() on every loss before the first update"
        if update
        else "# write the result to a new tensor: a = a + b instead of a += b"
    )
    yield RULE.finding(
        title=f"`{writer}` overwrote what `{keeper}` had saved for backward",
        message=f"""`{keeper}` keeps its tensor for the backward. `{writer}` then changed it
            in place{" (it is the update of a parameter)" if update else ""}. When backward came to
            the node, the values it needs were gone, and PyTorch stopped.""",
        fix=advice,
        step=failure.step,
        events=(f"kernel {saved.index} {saved.op}", f"kernel {changed.index} {changed.op}"),
        source=changed.source,
        line=writer,
    )


def _only_the_error(evidence: Evidence) -> Finding:
    failure = evidence.failure
    source, line = evidence.failed_at
    step = failure.step if failure else None
    return RULE.finding(
        title="a tensor that backward needs was changed in place",
        message=f"""`{line}` stopped: between the forward and this backward, a tensor that the graph
            had saved was changed in place. The step was not recorded in full, so that the line that
            changed it is not known yet.""",
        fix="# write the result to a new tensor: a = a + b instead of a += b",
        step=step,
        source=source,
        line=line,
        look=f"autograd-lens rerun {{file}} --full {step}",
    )


def _pair(step: Step) -> tuple[Kernel | None, Kernel | None]:
    """The kernel whose node saved a tensor, and the one that changed it afterwards."""
    tape = Tape(step)
    backward = next((one for one in step.backwards if _ERROR in one.error), None)
    graph = backward.graph if backward else None
    done = {run.node for run in backward.node_runs} if backward else set()
    for position, tensor in _saved(graph):
        node = graph.nodes[position] if graph else None
        if node is None or node.forward_kernel is None or position in done:
            continue
        for writer in tape.writers(tensor):
            if writer.index > node.forward_kernel and writes_in_place(writer):
                return step.kernels[node.forward_kernel], writer
    return None, None


def _saved(graph: Graph | None) -> Iterator[tuple[int, int]]:
    """(node, tensor) of everything that a graph's nodes keep."""
    for node in graph.nodes if graph else ():
        for saved in node.saved:
            if saved.tensor is not None:
                yield node.index, saved.tensor
