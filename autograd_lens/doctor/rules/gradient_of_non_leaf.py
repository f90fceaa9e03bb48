"""``.grad`` is read from a tensor in the middle of the graph.

What it finds:
    An error because ``.grad`` is None, of a tensor that the forward computed.

Why it is bad:
    Backward passes gradients through tensors in the middle and drops them. Only leaves, and
    tensors that asked with ``retain_grad()``, keep theirs.

Evidence it needs:
    The error, and a full step in which a kernel with a node made that tensor.

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
    No such error; leaves whose ``.grad`` is None for other reasons.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.retain_grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.missing import missing_grad
from autograd_lens.doctor.records import Finding, Rule
from autograd_lens.trace.records import Kernel

RULE = Rule("AL106", "gradient-of-non-leaf", "error", "event")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Explain a missing gradient of a tensor that a kernel made."""
    name, failure = missing_grad(evidence), evidence.failure
    if not name or failure is None or failure.step is None:
        return
    maker = _maker(evidence, failure.step, name)
    source, line = evidence.failed_at
    if maker is None:
        return
    yield RULE.finding(
        title=f"{name} is in the middle of the graph: backward does not keep its gradient",
        message=f"""`{line}` reads {name}.grad, which is None. {name} is no leaf: it was computed by
            `{evidence.line(maker.source)}`. Backward computed its gradient, passed it on and let it
            go.""",
        fix=f"{name}.retain_grad()  # before backward()",
        step=failure.step,
        events=(f"kernel {maker.index} {maker.op}",),
        source=source,
        line=line,
    )


def _maker(evidence: Evidence, step: int, name: str) -> Kernel | None:
    full = evidence.full_step(step)
    for kernel in full.kernels if full else ():
        named = any(output.spec.name == name for output in kernel.outputs)
        if named and kernel.phase == "forward" and kernel.node is not None:
            return kernel
    return None
