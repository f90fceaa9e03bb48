"""What a step gives in float64, to tell rounding from another computation.

Two programs that mean the same add in another order, and their float32 results differ in the
last digits. Executed again in float64, from the same float32 values, they agree to float64's own
digits; two that mean something else differ as they did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.loss import LossFunction
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Floats

__all__ = ["Precise", "agree_in_float64", "in_float64"]

_AGREE = 1e-9  # relative; what follows from float64's own rounding is some thousand times less
_ROUGHLY = 1e-2  # relative: what float32 computed and float64 gives
_NEAR = 2e-4  # relative: float32 results that are added in another order
_NOTHING = 1e-6  # of the largest gradient: one that cancels out is what rounding leaves of it


@dataclass(frozen=True, slots=True)
class Precise:
    """A step's results in float64.

    Attributes:
        loss: What its last backward started from: any shape, float64.
        grads: The gradient of each parameter by name, in its shape.
    """

    loss: Floats
    grads: Mapping[str, Floats]


def in_float64(step: Step) -> Precise:
    """Execute a step's last loss and its gradients again in float64.

    Args:
        step: The step in full.

    Raises:
        ReplayError: The loss is not a function of the parameters that can be evaluated.
    """
    function = LossFunction.in_float64(step)
    recorded = function.recorded_parameters()
    leaves = {
        name: value.detach().clone().requires_grad_(value.is_floating_point())
        for name, value in recorded.items()
    }
    loss = function.forward(leaves)
    wanted = [name for name, leaf in leaves.items() if leaf.requires_grad]
    found = torch.autograd.grad(
        loss.sum(), [leaves[name] for name in wanted], allow_unused=True, materialize_grads=True
    )
    grads = {name: gradient.numpy() for name, gradient in zip(wanted, found, strict=True)}
    return Precise(loss.detach().numpy(), grads)


def agree_in_float64(
    one: Step, other: Step, partners: Mapping[str, str]
) -> tuple[bool | None, str]:
    """Whether two steps give the same loss and gradients in float64.

    Args:
        one: A step in full.
        other: Another, with the same parameters.
        partners: Names of the parameters in ``other`` by name in ``one``.

    Returns:
        Whether they do, None where that could not be found out, and how it is known.
    """
    try:
        left, right = in_float64(one), in_float64(other)
    except ReplayError as error:
        return _by_size(one, other, partners, f"It could not be executed in float64: {error}")
    for step, found in ((one, left), (other, right)):
        name = _not_recorded(step, found)
        if name:
            why = f"{name} is not what its forward's derivative gives in float64."
            return _by_size(one, other, partners, why)
    apart = {"the loss": _apart(left.loss, right.loss)}
    least = _NOTHING * max((_largest(gradient) for gradient in left.grads.values()), default=0.0)
    for name, partner in partners.items():
        if name in left.grads and partner in right.grads:
            apart[f"{name}.grad"] = _apart(left.grads[name], right.grads[partner], least)
    worst = max(apart, key=lambda name: apart[name])
    size = f"in float64 {worst} differs by {apart[worst]:.2g} of its size"
    return apart[worst] <= _AGREE, f"Executed again {size} (rounding: up to {_AGREE:g})."


def _not_recorded(step: Step, found: Precise) -> str:
    """A gradient that is not what was recorded: hooks or a backward of the program's made it."""
    writes = step.backwards[step.main_backward].grad_writes
    recorded = {w.parameter: w.incoming for w in writes if w.incoming and w.incoming.complete}
    values = {name: one.array.astype(np.float64) for name, one in recorded.items()}
    least = _ROUGHLY * max((_largest(one) for one in values.values()), default=0.0)
    for name, value in values.items():
        if name in found.grads and _apart(value, found.grads[name], least) > _ROUGHLY:
            return f"{name}.grad"
    return ""


def _by_size(
    one: Step, other: Step, partners: Mapping[str, str], why: str
) -> tuple[bool | None, str]:
    """Whether the recorded results are so near that rounding explains it."""
    runs = one.backwards[one.main_backward], other.backwards[other.main_backward]
    left, right = ({w.parameter: w.after for w in run.grad_writes} for run in runs)
    pairs = [(left.get(name), right.get(partner)) for name, partner in partners.items()]
    known = [
        (a, b) for a, b in [*pairs, *zip(*(run.roots for run in runs), strict=False)] if a and b
    ]
    if not all(a.complete and b.complete for a, b in known):
        return None, why
    arrays = [(a.array.astype(np.float64), b.array.astype(np.float64)) for a, b in known]
    least = _NOTHING * max((_largest(a) for a, _ in arrays), default=0.0)
    worst = max((_apart(a, b, least) for a, b in arrays), default=0.0)
    told = f"{why} What was recorded differs by {worst:.2g} of its size"
    return worst <= _NEAR, f"{told} (rounding: up to {_NEAR:g})."


def _apart(one: Floats, other: Floats, least: float = 0.0) -> float:
    """The largest difference of an element, as a share of the largest element or ``least``."""
    if one.shape != other.shape:
        return np.inf
    scale = max(_largest(one), _largest(other), least)
    found = _largest(one - other)
    return found / scale if scale else 0.0


def _largest(array: Floats) -> float:
    return float(np.abs(array).max(initial=0.0))
