"""The update makes a new tensor instead of changing the parameter.

What it finds:
    ``w = w - lr * w.grad``: the name now stands for another tensor, the parameter itself stays
    as it was.

Why it is bad:
    With gradients on, the new tensor is no leaf: its ``.grad`` stays None, and the graph grows
    through every update. Under ``no_grad`` it requires no gradient: the next backward fails. In
    a loop over ``parameters()`` the new tensor is dropped, and nothing is ever trained.

Evidence it needs:
    A full step: a kernel behind backward that reads a parameter and its gradient, writes neither
    and gives its result to the name it was computed from.

Example:
    w = w - lr * w.grad

Corrected:
    with torch.no_grad():
        w -= lr * w.grad

When it is silent:
    Results under another name (a trial step, an inner loop of meta-learning), parameters that
    some update does change.

References:
    https://docs.pytorch.org/tutorials/beginner/pytorch_with_examples.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, tensors, writes_in_place
from autograd_lens.trace.records import Kernel, Step

RULE = Rule(
    "AL103", "rebound-parameter", "error", "full", explains=("AL106", "AL402", "AL502", "AL506")
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first update that makes a new tensor."""
    changed = _changed(evidence)
    for tape in evidence.tapes:
        for kernel in _behind_backward(tape.step):
            name = _parameter_moved(tape, kernel)
            if name and name not in changed and kernel.source:
                target = evidence.code(kernel.source).rebinds(kernel.source.line)
                if target is not None:
                    yield _finding(evidence, tape.step, kernel, name, target)
                    return


def _changed(evidence: Evidence) -> set[str]:
    return {
        parameter.name
        for index, parameter in enumerate(evidence.parameters)
        if any(gap.updated for gaps in evidence.gaps(index) for gap in gaps)
    }


def _behind_backward(step: Step) -> Iterator[Kernel]:
    """Kernels of the program that ran after a backward and were no update."""
    seen = False
    for kernel in step.kernels:
        seen = seen or kernel.phase == "backward"
        if seen and kernel.phase == "forward" and not writes_in_place(kernel):
            yield kernel


def _parameter_moved(tape: TapeIndex, kernel: Kernel) -> str:
    """The parameter that a kernel reads together with its gradient, else ``""``."""
    uses = list(tensors(kernel.inputs))
    shapes = {output.spec.shape for output in kernel.outputs}
    for use in uses:
        if use.spec.role == "parameter" and use.spec.shape in shapes:
            grad = f"{use.spec.name}.grad"
            if any(_comes_from(tape, other.tensor, kernel, grad) for other in uses):
                return use.spec.name
    return ""


def _comes_from(tape: TapeIndex, tensor: int, kernel: Kernel, grad: str) -> bool:
    near = [use.spec.name for use in tensors(kernel.inputs) if use.tensor == tensor]
    maker = tape.maker(tensor, kernel.index)
    made = [use.spec.name for use in tensors(maker.inputs)] if maker else []
    return grad in [*near, *made]


def _finding(evidence: Evidence, step: Step, kernel: Kernel, name: str, target: str) -> Finding:
    line = evidence.line(kernel.source)
    if target != name:
        then = f"`{target}` is only a name for {name} here: the new tensor is dropped."
    elif kernel.node is not None:
        then = f"""The new {name} is no leaf: backward leaves its .grad None, and goes on to the
            parameter of the beginning."""
    else:
        then = f"The new {name} requires no gradient, so the next backward has nowhere to go."
    return RULE.finding(
        title=f"`{line}` makes a new tensor; the parameter stays as it was",
        message=f"""In step {step.index}, `{line}` computed a new tensor out of {name} and its
            gradient, and bound the name {target} to it. The parameter did not change. {then}""",
        fix=f"with torch.no_grad():\n    {_in_place(line)}{_clearing(evidence, kernel, target)}",
        step=step.index,
        kernel=kernel,
        line=line,
    )


def _clearing(evidence: Evidence, kernel: Kernel, target: str) -> str:
    """A new tensor has no ``.grad``; the old one has, and something has to clear it."""
    text = evidence.trace.source(kernel.source.file) if kernel.source else None
    words = ("zero_grad", f"{target}.grad.zero_", f"{target}.grad = None")
    cleared = any(word in (text or "") for word in words)
    return "" if cleared else f"\n    {target}.grad = None"


def _in_place(line: str) -> str:
    """``w -= lr * w.grad`` for ``w = w - lr * w.grad``."""
    name, _, value = line.partition(" = ")
    for sign in ("-", "+"):
        if value.startswith(f"{name} {sign} "):
            return f"{name} {sign}= {value.removeprefix(f'{name} {sign} ')}"
    return f"{name}.copy_({value})"
