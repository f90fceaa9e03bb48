"""The update itself makes a parameter NaN or infinite.

What it finds:
    A parameter and a gradient that were finite, and a parameter that is not, one update later.

Why it is bad:
    From then on every forward is NaN. The model is not to blame, nor are its gradients: the
    arithmetic of the update is.

Evidence it needs:
    Light steps: value and gradient before, value after. A full step names the kernel.

Example:
    p -= lr * p.grad / p.grad.std()      # NaN for a single number

Corrected:
    p -= lr * p.grad / (p.grad.abs().max() + 1e-8)

When it is silent:
    Gradients that were NaN or infinite before (AL301 says where they came from).

References:
    https://docs.pytorch.org/docs/stable/generated/torch.std.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, Gap, finite
from autograd_lens.doctor.finding import Finding, Rule, size
from autograd_lens.doctor.numbers import first_birth
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import as_value

RULE = Rule("AL505", "non-finite-update", "error", "light", explains=("AL301",))


_FIX = "# add 1e-8 to what the update divides by; take no root of negative numbers"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first parameter that an update made NaN or infinite."""
    for index, parameter in enumerate(evidence.parameters):
        for gaps in evidence.gaps(index):
            for gap in gaps:
                if gap.grad is not None and _spoiled(gap) and not _came_spoilt(evidence, gap):
                    yield _finding(evidence, parameter.name, gap)
                    return


def _spoiled(gap: Gap) -> bool:
    return finite(gap.value) and finite(gap.grad) and not finite(gap.after)


def _came_spoilt(evidence: Evidence, gap: Gap) -> bool:
    """Whether the loss was no number already, or another gradient: clipping hands that on."""
    row, named = gap.run.row, evidence.parameters
    grads = (as_value(e, p.dtype, p.shape) for e, p in zip(row.grads_after, named, strict=False))
    return not np.isfinite(evidence.losses[row.step]) or not all(map(finite, grads))


def _lost_eps(evidence: Evidence, gap: Gap) -> tuple[str, str, Source | None] | None:
    """Title, fix and place where an optimizer's eps is 0 in the type of the parameter."""
    dtype = gap.value.dtype if gap.value is not None else ""
    for one in evidence.optimizers if dtype == "float16" else ():
        eps, loop = one.attributes.get("eps", 1.0), evidence.loop
        if not float(np.float16(eps)):
            made = evidence.code(loop).makes({one.kind})
            place = Source.at(loop.file, made[0].lineno) if loop is not None and made else loop
            return (
                f"eps of {one.kind}, {eps:g}, is 0 in float16",
                f"torch.optim.{one.kind}(..., eps=1e-4)  # or weights in float32",
                place,
            )
    return None


def _finding(evidence: Evidence, name: str, gap: Gap) -> Finding:
    number = gap.run.row.step
    step = evidence.full_step(number)
    lost = _lost_eps(evidence, gap)
    birth = first_birth(step) if step else None
    kernel = birth.kernel if birth and birth.kernel.phase == "update" else None
    made = f" `{evidence.line(kernel.source)}` made the first one." if kernel else ""
    return RULE.finding(
        title=lost[0] if lost else f"{name}: the update of step {number} is NaN or infinite",
        message=f"""In step {number}, {name} was {size(gap.value)} and its gradient
            {size(gap.grad)}, both finite. After the update {name} is {size(gap.after)}.{made}""",
        fix=lost[1] if lost else _FIX,
        step=number,
        events=(f"kernel {kernel.index} {kernel.op}",) if kernel else (f"{name} after the update",),
        source=lost[2] if lost else kernel.source if kernel else None,
        look=f"autograd-lens step {{file}} --at {number}:update"
        if step
        else f"autograd-lens rerun {{file}} --full {number}",
    )
