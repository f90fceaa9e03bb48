"""All units of a layer are one unit.

What it finds:
    A weight whose rows are all equal when the run begins, and still when it ends, though it was
    updated: every unit gets the same gradient.

Why it is bad:
    Units that begin alike stay alike. The layer computes one number, however wide it is.

Evidence it needs:
    Light steps: the values of the weights.

Example:
    nn.init.constant_(layer.weight, 0.1)

Corrected:
    nn.init.xavier_uniform_(layer.weight)

When it is silent:
    Layers that begin with zeros and whose rows differ after an update, as the last layer of a
    classifier does.

References:
    https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.trace.values import Value

RULE = Rule("AL305", "symmetric-units", "error", "light")

_FEWEST_UPDATES = 3
_MATRIX = 2
_MOVED = 1e-3  # of the largest element
_ROUNDING = 1e-5  # of the largest element: sums of one row are added up in another order


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find weights of equal rows."""
    names = []
    for index, parameter in enumerate(evidence.parameters):
        if len(parameter.shape) < _MATRIX or parameter.shape[0] < _MATRIX:
            continue
        gaps = [gap for window in evidence.gaps(index) for gap in window if gap.updated]
        ends = (gaps[0].value, gaps[-1].after) if len(gaps) >= _FEWEST_UPDATES else ()
        if ends and all(map(_alike, ends)) and _moved(*ends):
            names.append(parameter.name)
    if names:
        yield RULE.finding(
            title=f"all rows of {listed(names)} are equal, from the first step to the last",
            message=f"""{listed(names)} began with equal rows, and after
                {plural(len(evidence.losses), "step")} of training they are equal again, but
                for rounding: all units of the layer compute the same and get the same gradient.""",
            fix="nn.init.xavier_uniform_(layer.weight)  # or leave the layer as it was made",
            step=0,
            events=("values of all steps",),
            source=evidence.loop,
        )


def _moved(before: Value | None, after: Value | None) -> bool:
    """Whether training changed it by more than rounding."""
    if before is None or after is None:
        return False
    apart = np.abs(after.array - before.array).max(initial=0.0)
    return bool(apart > _MOVED * np.abs(before.array).max(initial=0.0))


def _alike(value: Value | None) -> bool:
    """Whether all rows are known to be equal."""
    if value is None or not value.complete:
        return False
    array = value.array.real
    apart = np.abs(array - array[:1]).max(initial=0.0)
    return bool(apart <= _ROUNDING * np.abs(array).max(initial=0.0))
