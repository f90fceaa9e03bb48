"""Gradients are cleared between backward and the update.

What it finds:
    ``zero_grad()`` stands between ``backward()`` and ``step()``, so that every update works with
    a gradient of zero or None.

Why it is bad:
    The model does not learn at all, and no error says so: the loss stays where it was.

Evidence it needs:
    Light steps: every gradient is cleared right after backward, and no parameter ever changes.
    Beside it a full step whose update ran after the clearing, or the program's text, which has
    the calls in this order.

Example:
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()

Corrected:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

When it is silent:
    Programs that never update (they look at gradients only), and programs in which any
    parameter changes.

References:
    https://docs.pytorch.org/tutorials/recipes/recipes/zeroing_out_gradients.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, size
from autograd_lens.doctor.ledger import reached, standing_still
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL102", "cleared-before-step", "error", "light", explains=("AL502", "AL506"))

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find gradients that are cleared before they are used."""
    indexes = reached(evidence)
    if not indexes or not standing_still(evidence, indexes):
        return
    gaps = [gap for index in indexes for window in evidence.gaps(index) for gap in window]
    written = [gap for gap in gaps if gap.written]
    cleared = [gap for gap in written if gap.cleared]
    if len(cleared) < _ENOUGH or len(cleared) < len(written) - len(indexes):
        return
    graph = cleared[0].run.graph
    source = graph.source if graph else None
    update, clear = _order(evidence, source)
    if not update:
        return
    name, step = evidence.parameters[indexes[0]].name, cleared[0].run.row.step
    yield RULE.finding(
        title="gradients are cleared before the update can use them",
        message=f"""In step {step}, backward() left {name}.grad = {size(cleared[0].grad)}, then
            `{clear}` cleared it, and only then `{update}` ran. The same happens in every step:
            {listed(evidence.names(indexes))} never changed.""",
        fix=f"{clear}  # before loss.backward(), or after {update}",
        step=step,
        events=(f"{name}.grad after backward()", "zeroing", "update"),
        source=source,
    )


def _order(evidence: Evidence, source: Source | None) -> tuple[str, str]:
    """The update and the clearing in front of it, as the program writes them; else empty."""
    calls = evidence.code(source).calls(source.line) if source else []
    behind = [call for call in calls if source and call[2] > source.line]
    for position, (_, method, number) in enumerate(behind):
        if method == "step":
            break
        if method == "zero_grad":
            for other, later, _ in behind[position:]:
                if later == "step" and not _schedules(other):
                    return f"{other}.step()", _text(evidence, source, number)
            break
    seen = (_on_tape(evidence, step) for step in evidence.full)
    return next((pair for pair in seen if all(pair)), ("", ""))


def _text(evidence: Evidence, source: Source | None, number: int) -> str:
    return evidence.line(replace(source, line=number, end_line=number)) if source else ""


def _schedules(owner: str) -> bool:
    return "sched" in owner.lower()


def _on_tape(evidence: Evidence, step: Step) -> tuple[str, str]:
    """The lines of an update that read a gradient just zeroed, and of the zeroing."""
    last = max((k.index for k in step.kernels if k.phase == "backward"), default=-1)
    cleared: dict[int, Kernel] = {}
    for kernel in step.kernels[last + 1 :]:
        if kernel.phase == "zero_grad" and operator_name(kernel) == "zero_":
            cleared.update((output.tensor, kernel) for output in kernel.outputs)
        for use in tensors(kernel.inputs):
            if kernel.phase == "update" and use.tensor in cleared:
                zeroing = cleared[use.tensor]
                return evidence.line(kernel.source), evidence.line(zeroing.source)
    return "", ""
