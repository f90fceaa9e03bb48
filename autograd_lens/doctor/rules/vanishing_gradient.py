"""The gradient fades away on its way to the first layers.

What it finds:
    Gradients that get smaller from layer to layer towards the input, down to less than a
    hundred-thousandth.

Why it is bad:
    The first layers hardly learn, while the last ones do.

Evidence it needs:
    Full steps: the gradient of each weight, in the order in which backward reached them; at least
    six layers, smaller in nearly every one, in all full steps.

Example:
    nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(12)])

Corrected:
    nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(12)])

When it is silent:
    Shallow networks, shared weights (recurrent nets), gradients that differ without a trend.

References:
    https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.numbers import Profile, profiles
from autograd_lens.trace.graph import operator_name

_NORM = "normalisation between layers"

RULE = Rule("AL303", "vanishing-gradient", "warning", "full")

_FACTOR = 1e-5
_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find networks whose gradient shrinks from layer to layer."""
    found = profiles(evidence)
    hit = all(one.factor < _FACTOR and one.falls for one in found)
    if len(found) < _STEPS or not hit:
        return
    yield _finding(found[0], _fix(evidence))


def _fix(evidence: Evidence) -> str:
    """A remedy that the network does not have already."""
    names = {operator_name(kernel) for step in evidence.full[:1] for kernel in step.kernels}
    remedies = [
        *(("ReLU instead of sigmoid",) if names & {"sigmoid", "tanh"} else ()),
        *(() if any("_norm" in name and "batch" in name for name in names) else (_NORM,)),
        "residual connections",
        "an initialisation that fits the activation",
    ]
    return f"# {', '.join(remedies[:-1])} or {remedies[-1]}"


def _finding(profile: Profile, fix: str) -> Finding:
    last, first = profile.names[0], profile.names[-1]
    each = profile.factor ** (1 / (len(profile.names) - 1))
    return RULE.finding(
        title=f"from {last} to {first} the gradient shrinks by {number(1 / profile.factor)}",
        message=f"""In step {profile.step}, an element of {last}.grad is
            {number(profile.norms[0])} large on average, one of {first}.grad
            {number(profile.norms[-1])}: {len(profile.names)} layers, each of which
            multiplies the gradient by about {number(each)}. The layers near the input
            hardly move.""",
        fix=fix,
        step=profile.step,
        events=(f"gradients of {last} and {first}",),
        look=f"autograd-lens step {{file}} --at {profile.step}:backward",
    )
