"""The loss is cut off from the parameters.

What it finds:
    Backward starts from a tensor without history: rebuilt with ``torch.tensor(...)``, read out
    with ``.item()`` or NumPy, taken from ``.data`` or ``.detach()``, computed under ``no_grad``.

Why it is bad:
    No gradient reaches any parameter. With ``requires_grad=True`` on the new tensor there is not
    even an error: backward writes 1 to the loss's own ``.grad``, and the model never learns.

Evidence it needs:
    Light steps: a graph that consists of its root alone. Or the error of ``backward()``, and a
    full step that shows where the way back to the parameters ends.

Example:
    loss = torch.tensor(loss_fn(model(x), y).item(), requires_grad=True)
    loss.backward()

Corrected:
    loss = loss_fn(model(x), y)
    loss.backward()

When it is silent:
    Losses with a history, however short; backward on intermediate results, or on a parameter
    itself.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import EngineRun, Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import ever_reached
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL402", "detached-loss", "error", "light", explains=("AL503", "AL506"))

_NO_HISTORY = "does not require grad and does not have a grad_fn"
_CUTS = {
    "detach": "takes the tensor out of the graph",
    "lift_fresh": "makes a new tensor, which knows nothing of how its number was computed",
    "_local_scalar_dense": "reads the number out as a Python float",
}
_PARTS = ("item()", ".data", "detach", "numpy", "tensor(", "tolist")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first backward that starts from a tensor without history."""
    for run in evidence.runs:
        if run.graph is not None and (_alone(run) or _NO_HISTORY in run.graph.error):
            step = evidence.full_step(run.row.step)
            cut = _cut(evidence, step) if step is not None else None
            if (
                cut or run.graph.error or len(evidence.parameters) > 1
            ):  # else it may be w.backward()
                yield _finding(evidence, run, cut)
            return
    yield from _of_another_leaf(evidence)


def _of_another_leaf(evidence: Evidence) -> Iterator[Finding]:
    """Backwards that end at a tensor made on the way, and reach nothing that is held."""
    got = ever_reached(evidence)
    held = set(evidence.ledger.holders)
    runs = list(evidence.runs)
    trains = any("s" in run.called for window in evidence.windows for run in window)
    if not runs or not held or held & got or not trains:
        return
    if any(one.graph is None or one.graph.kind != "backward" for one in runs):
        return  # torch.autograd.grad writes no .grad: the program does
    run = runs[0]
    step = evidence.full_step(run.row.step)
    cut = _cut(evidence, step) if step is not None else None
    names = set(evidence.names(sorted(held)))
    reads = any(
        use.spec.name in names and use.spec.role == "parameter" and kernel.requires_grad
        for kernel in (step.kernels if step else ())
        for use in tensors(kernel.inputs)
    )
    if reads and step is not None:
        source = cut.source if cut else run.graph.source if run.graph else None
        leaf = listed(evidence.names(sorted(got))) if got else "a leaf"
        yield RULE.finding(
            title="the loss has no way back to the parameters",
            message=f"""backward() ends at {leaf}, a tensor that the program made on the way from
                the model to the loss. Its number came from the model, its history did not: in
                {plural(len(evidence.losses), "step")}, no parameter that an optimizer holds got a
                gradient.""",
            fix="loss = loss_fn(model(x), y)  # no .item(), .data, .detach() or NumPy between",
            step=run.row.step,
            events=(f"kernel {cut.index} {cut.op}",) if cut else ("all backwards",),
            source=source,
        )


def _alone(run: EngineRun) -> bool:
    """Whether the graph is one leaf, and that leaf the loss itself."""
    graph, row = run.graph, run.row
    if graph is None or run.nodes != 1 or row.loss is None:
        return False
    if not graph.reached:
        return True  # a leaf that is no parameter of the run: made on the way
    index = graph.reached[0]
    return index < len(row.values) and row.values[index] == row.loss


def _finding(evidence: Evidence, run: EngineRun, cut: Kernel | None) -> Finding:
    source = cut.source if cut else run.graph.source if run.graph else None
    line = evidence.line(source)
    raised = bool(run.graph and run.graph.error)
    where = (
        f"`{line}` {_CUTS.get(operator_name(cut), 'is where the history ends')}"
        if cut
        else "the loss was computed where gradients are switched off, or from tensors "
        "of which none requires a gradient"
    )
    then = (
        "backward() had nowhere to go and raised an error."
        if raised
        else "backward() only wrote the loss's own .grad; no parameter got a gradient."
    )
    return RULE.finding(
        title="the loss has no way back to the parameters",
        message=f"""In step {run.row.step}, backward() started from a tensor without grad_fn:
            {where}. {then}""",
        fix="loss = loss_fn(model(x), y)  # no .item(), .data, .detach(), torch.tensor() or NumPy",
        step=run.row.step,
        events=(f"kernel {cut.index} {cut.op}",) if cut else ("the graph's only node",),
        source=source,
        line=line,
    )


def _cut(evidence: Evidence, step: Step) -> Kernel | None:
    """The last kernel on the way to the loss that takes a tensor out of the graph."""
    tape = TapeIndex(step)
    end = next((k.index for k in step.kernels if k.phase == "backward"), len(step.kernels))
    uses = step.kernels[end].inputs if end < len(step.kernels) else ()
    roots = [use.tensor for use in tensors(uses)]
    roots += [output.tensor for kernel in step.kernels[end - 1 : end] for output in kernel.outputs]
    if not roots:
        return None
    for kernel in (*tape.ancestors(roots[0], end), *reversed(step.kernels[:end])):
        line = evidence.line(kernel.source)
        if operator_name(kernel) in _CUTS and any(part in line for part in _PARTS):
            return kernel
    return next(filter(None, (_ends(tape, one) for one in tape.ancestors(roots[0], end))), None)


def _ends(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """A kernel that reads what carries a gradient, and makes what carries none: a comparison."""
    makers = (tape.maker(use.tensor, kernel.index) for use in tensors(kernel.inputs))
    grown = any(one is not None and one.requires_grad for one in makers)
    return kernel if grown and kernel.phase == "forward" and not kernel.requires_grad else None
