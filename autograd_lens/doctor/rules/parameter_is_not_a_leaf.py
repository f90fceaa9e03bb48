"""A weight was computed from a leaf, and is therefore none itself.

What it finds:
    ``w = torch.randn(..., requires_grad=True) * 0.1``, trained as if it were a parameter; and
    ``self.w = nn.Parameter(...).float()``, where the conversion makes another tensor.

Why it is bad:
    Autograd keeps gradients of leaves only. The leaf here is the unnamed tensor of ``randn``;
    ``w.grad`` stays None, and the update fails. A module registers a Parameter alone, so that the
    optimizer never sees what came of it.

Evidence it needs:
    The error of the update that met None, or a leaf that gets gradients, that no optimizer holds
    and that never moves; and the line of the program that made the tensor.

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
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import reached, standing_still
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL105", "parameter-is-not-a-leaf", "error", "event", explains=("AL106", "AL210"))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find where the tensor without ``.grad`` was computed from a leaf."""
    yield from _unregistered(evidence)
    name = missing_grad(evidence)
    failed, line = evidence.failed_at
    made = _made(evidence, failed, name) if name and failed else None
    if not name or failed is None or made is None:
        return
    source = Source.at(failed.file, made.lineno, end_line=made.end_lineno)
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


def _unregistered(evidence: Evidence) -> Iterator[Finding]:
    """A Parameter of which the module keeps what was computed from it."""
    held = evidence.ledger.holders
    still = [i for i in reached(evidence) if i not in held and standing_still(evidence, [i])]
    for file in _files(evidence) if still and held else ():
        for node in ast.walk(evidence.code_of(file).tree):
            if isinstance(node, ast.Assign) and _computes_with_parameter(node.value):
                source = Source.at(file, node.lineno, end_line=node.end_lineno)
                name = ast.unparse(node.targets[0])
                yield RULE.finding(
                    title=f"{name} is computed from a Parameter, and is none itself",
                    message=f"""`{evidence.line(source).strip()}` keeps a new tensor: the module
                        does not register it, and the optimizer does not hold the Parameter behind
                        it ({listed(evidence.names(still))}), which got gradients in
                        {plural(len(evidence.losses), "step")} and never moved.""",
                    fix=f"{name} = nn.Parameter(tensor.float())  # convert first",
                    step=0,
                    events=("values of all steps",),
                    source=source,
                )
                return


def _files(evidence: Evidence) -> list[str]:
    """The files of the program that ran kernels."""
    places = (one.source for step in evidence.full[:1] for one in step.kernels)
    return sorted({source.file for source in places if source is not None})


def _computes_with_parameter(node: ast.expr) -> bool:
    """Whether an expression is ``nn.Parameter(...).something()`` or computes with one."""
    inner = [one for one in ast.walk(node) if isinstance(one, ast.Call) and one is not node]
    if not any(called(one) == "Parameter" for one in inner):
        return False
    converts = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if converts and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        of = node.func.value
        return isinstance(of, ast.Call) and called(of) == "Parameter"
    return isinstance(node, ast.BinOp)


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
