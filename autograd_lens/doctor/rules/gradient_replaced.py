"""An update works with a gradient that was put in the place of the one backward() wrote.

What it finds:
    A ``.grad`` that backward wrote and nothing read, in whose place the program put another tensor
    that no backward has anything to do with: ``p.grad = penalty(p)`` where an addition was meant.

Why it is bad:
    What the loss says of that parameter is lost: it is moved by the penalty alone.

Evidence it needs:
    A full step: which ``.grad`` the backward wrote, and which one the update read.

Example:
    loss.backward()
    weight.grad = 1e-3 * weight.sign()

Corrected:
    loss.backward()
    weight.grad += 1e-3 * weight.sign()

When it is silent:
    Gradients made of what a backward computed (clipped, projected, averaged), and updates none of
    whose gradients come from a backward.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.source import assignments
from autograd_lens.doctor.tape import Touch, life_lines
from autograd_lens.trace.graph import TapeIndex, tensors
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL114", "gradient-replaced", "error", "full")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find updates with gradients that came from elsewhere."""
    yield from told(RULE, evidence, lambda tape: _cases(evidence, tape))


def _cases(evidence: Evidence, tape: TapeIndex) -> Iterator[Case]:
    lines = life_lines(tape.step)
    found = {name: maker for name, line in lines.items() if (maker := _other(tape, line))}
    honest = any(_reads_its_own(line) for name, line in lines.items() if name not in found)
    if not found or not honest:
        return
    names, kernel = listed(list(found)), next(iter(found.values()))
    yield Case(
        kernel,
        f"the gradient of {names} is replaced, not added to",
        f"""a tensor that no backward has anything to do with becomes the gradient of {names}. The
        gradient that backward had written was read by nothing, and is lost; other parameters are
        updated with theirs""",
        "p.grad.add_(penalty)  # instead of p.grad = penalty",
        _assignment(evidence, kernel.source),
    )


def _assignment(evidence: Evidence, source: Source | None) -> Source | None:
    """The line that gives a ``.grad``, where the text shows one."""
    for node in ast.walk(evidence.code(source).tree) if source is not None else ():
        for target, value in assignments(node):
            given = isinstance(target, ast.Attribute) and target.attr == "grad"
            if given and source is not None and not isinstance(value, ast.Constant):
                return Source.at(source.file, target.lineno)
    return None


def _reads_its_own(line: list[Touch]) -> bool:
    written = {touch.grad.tensor for touch in line if touch.kind == "written"}
    return any(touch.kind == "used" and touch.grad.tensor in written for touch in line)


def _other(tape: TapeIndex, line: list[Touch]) -> Kernel | None:
    """The kernel that made the gradient in use, where it is not made of the one written."""
    written = {touch.grad.tensor for touch in line if touch.kind == "written"}
    used = [touch for touch in line if touch.kind == "used"]
    if not written or not used or any(touch.grad.tensor in written for touch in used):
        return None
    maker = tape.maker(used[0].grad.tensor, used[0].kernel.index)
    last = max(touch.kernel.index for touch in line if touch.kind == "written")
    if maker is None or maker.phase == "backward" or maker.index < last or _read(tape, written):
        return None
    behind = tape.ancestors(used[0].grad.tensor, used[0].kernel.index)
    return None if any(one.phase == "backward" for one in behind) else maker


def _read(tape: TapeIndex, written: set[int]) -> bool:
    """Whether anything but backward itself read one of these tensors, or a view of it."""
    places = {tape.memory(tensor) for tensor in written}
    return any(
        tape.memory(use.tensor) in places
        for kernel in tape.kernels
        if kernel.phase != "backward"
        for use in tensors(kernel.inputs)
    )
