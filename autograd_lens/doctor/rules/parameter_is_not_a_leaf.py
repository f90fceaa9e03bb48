"""A weight was computed from a leaf, and is therefore none itself.

What it finds:
    ``w = torch.randn(..., requires_grad=True) * 0.1``, trained as if it were a parameter.

Why it is bad:
    Autograd keeps gradients of leaves only. The leaf here is the unnamed tensor of ``randn``;
    ``w.grad`` stays None, and the update fails.

Evidence it needs:
    The error of the update that met None, and the line of the program that made the tensor.

Example:
    w = torch.randn(3, 1, requires_grad=True) * 0.1

Corrected:
    w = (torch.randn(3, 1) * 0.1).requires_grad_()

When it is silent:
    No such error.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, missing_grad
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.records import Source

RULE = Rule("AL105", "parameter-is-not-a-leaf", "error", "event", explains=("AL106",))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find where the tensor without ``.grad`` was computed from a leaf."""
    name = missing_grad(evidence)
    failed, line = evidence.failed_at
    made = _made(evidence, failed, name) if name and failed else None
    if not name or failed is None or made is None:
        return
    source = Source(failed.file, made.lineno, made.end_lineno or made.lineno, -1, -1, "")
    text = evidence.line(source)
    yield RULE.finding(
        title=f"{name} was computed from a leaf, and gets no gradient itself",
        message=f"""`{text}` asks for the gradient of a tensor and then computes with it: {name} is
            the result, not the leaf. Backward wrote the gradient to the unnamed leaf behind it, so
            {name}.grad was None when `{line}` read it.""",
        fix=f"{name} = (...).requires_grad_()  # compute first, then ask for the gradient",
        step=evidence.failure.step if evidence.failure else None,
        events=("the error",),
        source=source,
        line=text,
    )


def _made(evidence: Evidence, failed: Source, name: str) -> ast.Assign | None:
    """The assignment that computes with a tensor that requires a gradient."""
    for node in ast.walk(evidence.code(failed).tree):
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == [name]:
            inner = [one for one in ast.walk(node.value) if _asks(one)]
            if inner and node.value not in inner:
                return node
    return None


def _asks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and any(
        keyword.arg == "requires_grad" and ast.unparse(keyword.value) == "True"
        for keyword in node.keywords
    )
