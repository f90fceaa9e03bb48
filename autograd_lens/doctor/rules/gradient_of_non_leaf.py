"""``.grad`` is read from a tensor in the middle of the graph.

What it finds:
    An error because ``.grad`` is None, of a tensor that the forward computed; or the warning
    that PyTorch gives where such a ``.grad`` is read and nothing fails.

Why it is bad:
    Backward passes gradients through tensors in the middle and drops them. Only leaves, and
    tensors that asked with ``retain_grad()``, keep theirs.

Evidence it needs:
    The error, and a full step in which a kernel with a node made that tensor. Or the warning,
    and the line that it came from.

Example:
    hidden = model.body(x)
    loss_of(hidden).backward()
    print(hidden.grad.norm())

Corrected:
    hidden = model.body(x)
    hidden.retain_grad()
    loss_of(hidden).backward()
    print(hidden.grad.norm())

When it is silent:
    No such error or warning; leaves whose ``.grad`` is None for other reasons.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.retain_grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, missing_grad, owner_of_grad, warned
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.records import Event, Kernel, Source

RULE = Rule("AL106", "gradient-of-non-leaf", "error", "event")

_WARNING = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain a missing gradient of a tensor in the middle of the graph."""
    if evidence.failure is None:
        yield from _of_warning(evidence)
    else:
        yield from _of_error(evidence, evidence.failure)


def _of_error(evidence: Evidence, failure: Event) -> Iterator[Finding]:
    name = missing_grad(evidence)
    maker = _maker(evidence, failure.step, name) if name else None
    if maker is not None:
        source, _ = evidence.failed_at
        yield _finding(evidence, name, source, failure.step, maker)


def _of_warning(evidence: Evidence) -> Iterator[Finding]:
    event, source = warned(evidence, _WARNING) or (None, None)
    name = owner_of_grad(evidence.line(source))
    if event is not None and name:
        yield _finding(evidence, name, source, event.step, _maker(evidence, event.step, name))


def _finding(
    evidence: Evidence, name: str, source: Source | None, step: int | None, maker: Kernel | None
) -> Finding:
    line = evidence.line(source)
    made = f": it was computed by `{evidence.line(maker.source)}`" if maker else ""
    seen = f"kernel {maker.index} {maker.op}" if maker else "a warning of torch"
    return RULE.finding(
        title=f"{name} is in the middle of the graph: backward does not keep its gradient",
        message=f"""`{line}` reads {name}.grad, which is None. {name} is no leaf{made}. Backward
            computed its gradient, passed it on and let it go.""",
        fix=f"{name}.retain_grad()  # before backward()",
        step=step,
        events=(seen,),
        source=source,
        line=line,
    )


def _maker(evidence: Evidence, step: int | None, name: str) -> Kernel | None:
    full = evidence.full_step(step) if step is not None else None
    for kernel in full.kernels if full else ():
        named = any(output.spec.name == name for output in kernel.outputs)
        if named and kernel.phase == "forward" and kernel.node is not None:
            return kernel
    return None
