"""What a step gives in float64, to tell rounding from another computation.

Two programs that mean the same add in another order, and their float32 results differ in the
last digits. Executed again in float64, from the same float32 values, they agree to float64's own
digits; two that mean something else differ as they did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.loss import LossFunction
from autograd_lens.trace.records import Step

__all__ = ["Precise", "agree_in_float64", "in_float64"]

_AGREE = 1e-9  # relative; what follows from float64's own rounding is some thousand times less
_NOTHING = 1e-6  # of the largest gradient: one that cancels out is what rounding leaves of it


@dataclass(frozen=True, slots=True)
class Precise:
    """A step's results in float64.

    Attributes:
        loss: What its last backward started from: any shape, float64.
        grads: The gradient of each parameter by name, in its shape.
    """

    loss: npt.NDArray[np.float64]
    grads: Mapping[str, npt.NDArray[np.float64]]


def in_float64(step: Step) -> Precise:
    """Execute a step's last loss and its gradients again in float64.

    Args:
        step: The step in full.

    Raises:
        ReplayError: The loss is not a function of the parameters that can be evaluated.
    """
    function = LossFunction.from_step(step).double().stopped()
    if function.differentiated:
        msg = "The loss follows from a gradient that an earlier backward of the step computed."
        raise ReplayError(msg)
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
        return None, f"It could not be executed in float64: {error}"
    apart = {"the loss": _apart(left.loss, right.loss)}
    least = _NOTHING * max((_largest(gradient) for gradient in left.grads.values()), default=0.0)
    for name, partner in partners.items():
        if name in left.grads and partner in right.grads:
            apart[f"{name}.grad"] = _apart(left.grads[name], right.grads[partner], least)
    worst = max(apart, key=lambda name: apart[name])
    size = f"in float64 {worst} differs by {apart[worst]:.2g} of its size"
    return apart[worst] <= _AGREE, f"Executed again {size} (rounding: up to {_AGREE:g})."


def _apart(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], least: float = 0.0
) -> float:
    """The largest difference of an element, as a share of the largest element or ``least``."""
    if one.shape != other.shape:
        return np.inf
    scale = max(_largest(one), _largest(other), least)
    found = _largest(one - other)
    return found / scale if scale else 0.0


def _largest(array: npt.NDArray[np.float64]) -> float:
    return float(np.abs(array).max(initial=0.0))
