"""A tensor that backward needs was changed behind autograd's back.

What it finds:
    A tensor that a node saved has other content when backward uses it than when the forward
    computed with it, and PyTorch did not notice: it was changed through ``.data`` or NumPy.

Why it is bad:
    The derivative is computed from the wrong values. The gradient is wrong, and no error says
    so: PyTorch counts only changes that it sees.

Evidence it needs:
    A full step: the content of saved tensors as the forward left them and as backward read them.
    Beside it the gradient that would have been right, derived from the forward's own values
    where the textbook covers the way to a parameter.

Example:
    h = torch.exp(x @ w)
    h.data.clamp_(max=1.0)
    loss_of(h).backward()

Corrected:
    h = torch.exp(x @ w)
    shown = h.detach().clamp(max=1.0)   # a tensor of its own
    loss_of(h).backward()

When it is silent:
    Changes after backward, and saved tensors that backward does not read.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.rederive import rederive
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, largest_difference, number
from autograd_lens.trace.graph import TapeIndex, tensors
from autograd_lens.trace.records import Backward, Kernel, Node, SavedTensor, Step, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL204", "saved-tensor-changed", "error", "full")

_NOT_USED = "running_"  # of batch normalisation: kept beside, never read while training


@dataclass(frozen=True, slots=True)
class _Change:
    backward: Backward
    node: Node
    saved: SavedTensor
    keeper: Kernel
    made: Value
    used: TensorUse
    reader: Kernel


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first saved tensor with other content at its use."""
    for tape in evidence.tapes:
        changes = list(_changes(tape, tape.step))
        if changes:
            yield _finding(evidence, tape, changes)
            return


def _changes(tape: TapeIndex, step: Step) -> Iterator[_Change]:
    for backward in step.backwards:
        for node in backward.graph.nodes if backward.graph else ():
            for saved in node.saved:
                if not saved.name.startswith(_NOT_USED):
                    change = _change(tape, backward, node, saved)
                    if change is not None:
                        yield change


def _change(tape: TapeIndex, backward: Backward, node: Node, saved: SavedTensor) -> _Change | None:
    """The change with both contents, where a kernel of the node read the tensor."""
    if node.forward_kernel is None or saved.tensor is None:
        return None
    keeper = tape.kernels[node.forward_kernel]
    known = tape.itself(saved.tensor)
    uses = [*keeper.outputs, *tensors(keeper.inputs)]  # in place: what it left, not what it found
    made = next((use.value for use in uses if tape.itself(use.tensor) == known), None)
    read = (
        (use, tape.kernels[index])
        for run in backward.node_runs
        if run.node == node.index
        for index in run.kernels
        for use in tensors(tape.kernels[index].inputs)
        if tape.itself(use.tensor) == known
    )
    used, reader = next(read, (None, None))
    if made is None or used is None or reader is None or not _apart(made, used.value):
        return None
    return _Change(backward, node, saved, keeper, made, used, reader)


def _apart(made: Value, used: Value | None) -> bool:
    """Whether two contents are known to differ: a summary and a value cannot be compared."""
    return used is not None and made.complete == used.complete and made != used


def _finding(evidence: Evidence, tape: TapeIndex, changes: list[_Change]) -> Finding:
    change = changes[0]
    writer = _writer(evidence, tape, change)
    keeper = evidence.line(change.keeper.source)
    who = f"`{evidence.line(writer.source)}`" if writer else "something that is no torch kernel"
    source = writer.source if writer else change.keeper.source
    apart = largest_difference(change.made, change.used.value) if change.used.value else 0.0
    return RULE.finding(
        title=f"what `{keeper}` saved for backward was changed unnoticed",
        message=f"""`{keeper}` computed with a tensor and kept it for its derivative
            ({change.node.name}, {change.saved.name}). Before backward read it, {who} changed
            it{_by(apart)}. PyTorch did not see that (.data and NumPy arrays are outside
            its bookkeeping), so {change.node.name} computed its gradient from the changed values:
            every gradient behind it is wrong. {_right(tape.step, changes)}""",
        fix=f"copy = {_name(change)}.detach().clone()  # change the copy, not what backward needs",
        step=tape.step.index,
        events=(
            f"kernel {change.keeper.index} {change.keeper.op}",
            *((f"kernel {writer.index} {writer.op}",) if writer else ()),
            f"kernel {change.reader.index} {change.reader.op}",
        ),
        source=source,
    )


def _by(apart: float) -> str:
    return "" if np.isnan(apart) else f", by up to {number(apart)}"


def _name(change: _Change) -> str:
    named = (use.spec.name for use in (*change.keeper.outputs, *tensors(change.keeper.inputs)))
    made = change.used.spec.name
    return made or next(filter(None, named), "tensor")


def _right(step: Step, changes: list[_Change]) -> str:
    """The gradient that came and the one that should have come, in a sentence, where known."""
    backward = changes[0].backward
    nodes = {one.node.index for one in changes if one.backward is backward}
    found = max(rederive(step, backward, nodes), key=lambda one: one.apart, default=None)
    if found is None:
        return ""
    place = np.unravel_index(np.abs(found.right - found.recorded).argmax(), found.right.shape)
    at = f"[{', '.join(map(str, place))}]" if found.right.size > 1 else ""
    came, right = float(found.recorded[place]), float(found.right[place])
    return f"""{found.parameter}.grad{at} came out as {number(came)}; from the values that the
        forward worked with it is {number(right)}."""


def _writer(evidence: Evidence, tape: TapeIndex, change: _Change) -> Kernel | None:
    """The kernel that wrote the memory in between, else the one that gave it to NumPy."""
    between = range(change.keeper.index + 1, change.reader.index)
    tensor = change.used.tensor
    written = [kernel for kernel in tape.writers(tensor) if kernel.index in between]
    if written:
        return written[0]
    views = [kernel for kernel in tape.views(tensor) if "numpy" in evidence.line(kernel.source)]
    return views[0] if views else None
