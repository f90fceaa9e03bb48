"""A part of the model is cut off from the gradient, though the optimizer is to train it.

What it finds:
    Parameters that the forward uses and the optimizer holds, and that no gradient ever reaches,
    because their branch was computed under ``no_grad`` or detached, or reads their ``.data``.

Why it is bad:
    That part keeps its random start. The rest learns around it, so the loss goes down and
    nothing looks wrong.

Evidence it needs:
    Full steps: kernels that read the parameter; light steps: that no backward reached it; and
    what the optimizer holds.

Example:
    with torch.no_grad():
        features = self.encoder(x)
    return self.head(features)

Corrected:
    features = self.encoder(x)
    return self.head(features)

When it is silent:
    Parameters that no optimizer holds, programs that freeze parameters with ``requires_grad``,
    and parts that are trained in other steps.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, warned
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import ever_reached, standing_still
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL209", "partly-detached", "warning", "full")

_STEPS = 3
_CUT = "None of the inputs have requires_grad=True"
_COPIES = frozenset({"clone", "copy_", "detach", "lerp_", "_to_copy"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that are read and held, and never reached."""
    trained = ever_reached(evidence)
    if len(evidence.losses) < _STEPS or not trained:
        return
    held = {index for one in evidence.optimizers for index in one.holds if index is not None}
    still = [index for index in sorted(held - trained) if standing_still(evidence, [index])]
    lost = [evidence.parameters[index].name for index in still]
    used = [(name, *place) for name in lost if (place := _reader(evidence, name)) is not None]
    cut = warned(evidence, _CUT)
    if cut is not None and lost:
        yield _of_checkpoint(evidence, lost, cut[1])
    elif used and not _freezes(evidence, used[0][2]):
        yield _finding(evidence, used)


def _reader(evidence: Evidence, name: str) -> tuple[Step, Kernel] | None:
    """The first kernel of a forward that computes with a parameter; a copy is no use of it.

    Where the parameter is detached on the way to the loss, as by ``.data``, it is that kernel.
    """
    for step in evidence.full:
        trains = training_path(step)
        for kernel in step.kernels:
            names = {
                use.spec.name for use in tensors(kernel.inputs) if use.spec.role == "parameter"
            }
            own = operator_name(kernel) == "detach" and kernel.index in trains
            copies = operator_name(kernel) in _COPIES and not own
            computes = kernel.phase == "forward" and not copies
            if computes and name in names:
                return step, kernel
    return None


def _freezes(evidence: Evidence, kernel: Kernel) -> bool:
    """Whether the program's text ever switches a gradient off by hand."""
    files = {kernel.source.file} if kernel.source else set()
    files |= {graph.source.file for graph in evidence.graphs if graph.source}
    return any("requires_grad" in (evidence.trace.source(file) or "") for file in files)


def _finding(evidence: Evidence, used: list[tuple[str, Step, Kernel]]) -> Finding:
    name, step, kernel = used[0]
    names = listed([one[0] for one in used])
    cut = _cut(step, name) or kernel
    under = kernel.requires_grad is False
    behind = _next_real(step, kernel)
    why = (
        "autograd was switched off there (no_grad or inference_mode)"
        if under and behind.requires_grad is False
        else "what came of it was detached before it reached the loss"
    )
    return RULE.finding(
        title=f"{names}: used, held by the optimizer, never reached by a gradient",
        message=f"""The forward of step {step.index} reads {name} (kernel {kernel.index},
            {operator_name(kernel)}), and {evidence.optimizers[0].name} holds it. But in
            {plural(len(evidence.losses), "step")} no backward reached it: {why}. It keeps the
            value it began with.""",
        fix="# no no_grad and no .detach() around it, or do not give it to the optimizer",
        step=step.index,
        events=(f"kernel {kernel.index} {kernel.op}", "all backwards"),
        source=cut.source,
    )


def _cut(step: Step, name: str) -> Kernel | None:
    """The last kernel that detaches what was computed from a parameter, on the way to the loss.

    Where two networks take turns, the first may be cut off on purpose in the other's turn.
    """
    trains, tape = training_path(step), TapeIndex(step)
    for kernel in reversed(step.kernels):
        if kernel.index not in trains or operator_name(kernel) != "detach":
            continue
        given = next(tensors(kernel.inputs), None)
        ancestors = tape.ancestors(given.tensor, kernel.index) if given is not None else ()
        behind = [one for one in ancestors if one.requires_grad]
        if any(use.spec.name == name for one in behind for use in tensors(one.inputs)):
            return kernel
    return None


def _of_checkpoint(evidence: Evidence, lost: list[str], place: Source | None) -> Finding:
    names = listed(lost)
    return RULE.finding(
        title=f"{names}: cut off by checkpoint()",
        message=f"""torch warned that none of the inputs of a checkpoint requires a gradient: with
            use_reentrant=True it then gives none to what runs inside. No backward of
            {plural(len(evidence.losses), "step")} reached {names}, which the optimizer holds.""",
        fix="checkpoint(block, x, use_reentrant=False)",
        step=0,
        events=("torch's warning", "all backwards"),
        source=place,
    )


def _next_real(step: Step, kernel: Kernel) -> Kernel:
    """The kernel that computes with a parameter; a linear layer transposes it first."""
    made = {output.tensor for output in kernel.outputs}
    for other in step.kernels[kernel.index + 1 :]:
        if not made.isdisjoint(use.tensor for use in tensors(other.inputs)):
            return other
    return kernel
