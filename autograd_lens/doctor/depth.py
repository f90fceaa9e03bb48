"""How large gradients are along the depth of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.trace.records import Step

__all__ = ["Profile", "profiles"]

_MATRIX = 2  # axes of a weight that joins layers
_LAYERS = 6
_MOST = 0.75


@dataclass(frozen=True, slots=True)
class Profile:
    """Gradient norms of the weights of one step, from the loss towards the input.

    Attributes:
        step: The step.
        names: The weights.
        norms: The norm of each one's gradient, divided by the root of its number of elements.
    """

    step: int
    names: tuple[str, ...]
    norms: tuple[float, ...]

    @property
    def factor(self) -> float:
        """Gradient at the input's end over gradient at the loss's end."""
        return self.norms[-1] / self.norms[0]

    @property
    def falls(self) -> bool:
        """Whether three layers of four have less than the one behind them."""
        turns = [nearer > farther for nearer, farther in pairwise(self.norms)]
        return sum(turns) >= _MOST * len(turns)


def profiles(evidence: Evidence) -> list[Profile]:
    """The profile of every full step with one backward through six weights or more."""
    return [one for step in evidence.full if (one := _profile(step)) is not None]


def _profile(step: Step) -> Profile | None:
    if len(step.backwards) != 1 or step.backwards[0].graph is None:
        return None
    backward, graph = step.backwards[0], step.backwards[0].graph
    names, norms = [], []
    for run in backward.node_runs:
        name = graph.nodes[run.node].variable
        grad = run.grad_outputs[0] if run.grad_outputs else None
        if name is not None and grad is not None and len(grad.shape) >= _MATRIX:
            names.append(name)
            norms.append(grad.norm / math.sqrt(grad.numel or 1))
    if len(set(names)) < max(_LAYERS, len(names)):  # shared weights have no depth
        return None
    if not all(norm > 0 and math.isfinite(norm) for norm in norms):
        return None
    return Profile(step.index, tuple(names), tuple(norms))
