"""The gradient grows beyond measure on its way to the first layers.

What it finds:
    Gradients that get larger from layer to layer towards the input, by more than a hundred
    thousand in all.

Why it is bad:
    A learning rate that suits the last layers throws the first ones far away, and one that
    suits the first ones leaves the last ones standing. The next step is often NaN.

Evidence it needs:
    Full steps: the gradient that arrived at the output of each linear or convolutional layer, in
    the order in which backward reached them; at least six layers, larger in nearly every one, in
    all full steps.

Example:
    nn.init.normal_(layer.weight, std=2.0)  # in each of ten layers

Corrected:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

When it is silent:
    Shallow networks, shared weights (recurrent nets), gradients that differ without a trend.

References:
    https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.numbers import Profile, arriving

RULE = Rule("AL304", "exploding-gradient", "warning", "full")

_FACTOR = 1e5
_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find networks whose gradient grows from layer to layer."""
    found = arriving(evidence)
    hit = all(one.factor > _FACTOR and one.grows for one in found)
    if len(found) >= _STEPS and hit:
        yield _finding(found[0])


def _finding(profile: Profile) -> Finding:
    last, first = profile.names[0], profile.names[-1]
    each = profile.factor ** (1 / (len(profile.names) - 1))
    return RULE.finding(
        title=f"from layer {last} to layer {first} the gradient grows by {number(profile.factor)}",
        message=f"""In step {profile.step}, an element of the gradient that arrived at the output
            of {last} was {number(profile.norms[0])} large on average, at that of {first}
            {number(profile.norms[-1])}: {len(profile.names)} layers, each of which
            multiplies it by about {number(each)}. So little moves so much that no learning rate
            is small enough.""",
        fix="nn.init.kaiming_normal_(layer.weight)  # or normalisation between layers",
        step=profile.step,
        events=(f"gradients at {last} and {first}",),
        look=f"autograd-lens step {{file}} --at {profile.step}:backward",
    )
