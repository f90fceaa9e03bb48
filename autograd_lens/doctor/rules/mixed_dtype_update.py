"""Updates are lost because the parameters are kept in half precision.

What it finds:
    A parameter in bfloat16 or float16 to which the update added a number other than zero, and
    which did not change in any element.

Why it is bad:
    bfloat16 has three digits, float16 has four. An update of a thousandth of the parameter's size
    is rounded off, in every step again: small gradients never add up.

Evidence it needs:
    A full step: the kernel that added, with the parameter before and after.

Example:
    model = model.to(torch.bfloat16)

Corrected:
    with torch.autocast("cpu", dtype=torch.bfloat16):   # parameters stay in float32
        loss = loss_fn(model(x), y)

When it is silent:
    Parameters of which at least one element changes, and parameters in float32.

References:
    https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, number
from autograd_lens.doctor.numbers import lost_updates

RULE = Rule("AL504", "mixed-dtype-update", "warning", "full", explains=("AL506",))

_HALF = ("bfloat16", "float16")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters in half precision whose update changed nothing."""
    lost = [one for one in lost_updates(evidence) if one.dtype in _HALF]
    if not lost:
        return
    one = lost[0]
    yield RULE.finding(
        title=f"{listed([each.parameter for each in lost])}: {one.dtype} is too coarse to update",
        message=f"""In step {one.step}, the update adds {number(one.largest)} at most to
            {one.parameter}, whose elements are about {number(one.magnitude)} and have {one.dtype}:
            too little for its last digit. Not one element changed.""",
        fix='torch.autocast("cpu", dtype=torch.bfloat16)  # and keep parameters in float32',
        step=one.step,
        kernel=one.kernel,
        look=f"autograd-lens step {{file}} --at {one.step}:update",
    )
