"""Gradients checked against central differences of the tape in float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.check import Difference
from autograd_lens.replay.loss import LossFunction
from autograd_lens.trace.records import GradWrite, Step

__all__ = ["SAMPLED", "check_gradients"]

SAMPLED = 24
"""Elements of one parameter that are checked, at equal distances."""

_STEP = 1e-5  # relative; the error of a central difference is then near its smallest
_TOLERANCE = 2e-3  # of the largest element; float32 gradients of long sums need it
_SMALL = 1e-7
_ROUNDING = 1e-5  # of the step's largest gradient: a bias before a batch norm has none but that


def check_gradients(step: Step) -> list[Difference]:
    """Compare what backward brought to each parameter with differences of the loss.

    Args:
        step: A step in full, with one backward or several; the last one is checked.

    Raises:
        ReplayError: The tape is not a function of the parameters that can be evaluated.
    """
    tape = LossFunction.in_float64(step)
    parameters = tape.recorded_parameters()
    with torch.no_grad():
        loss = tape.forward(parameters)
    if loss.numel() != 1 or loss.is_complex():
        msg = "The loss is not one real number, so it has no finite differences."
        raise ReplayError(msg)
    writes = {write.parameter: write for write in step.backwards[step.main_backward].grad_writes}
    rounding = _ROUNDING * max(map(_largest, writes.values()), default=0.0)
    found: list[Difference] = []
    for name, write in writes.items():
        if name in parameters and parameters[name].is_floating_point():
            found += _compare(name, write, tape, parameters, rounding)
    return found


def _largest(write: GradWrite) -> float:
    value = write.incoming
    if value is None or not value.complete or not value.numel:
        return 0.0
    return float(np.abs(np.asarray(value.array)).max())


def _compare(
    name: str,
    write: GradWrite,
    tape: LossFunction,
    parameters: Mapping[str, torch.Tensor],
    rounding: float,
) -> Iterator[Difference]:
    if write.incoming is None or not write.incoming.complete:
        msg = f"The gradient that arrived at {name} was not kept."
        raise ReplayError(msg)
    gradient = np.asarray(write.incoming.array, np.float64).ravel()
    picks = np.unique(np.linspace(0, gradient.size - 1, min(SAMPLED, gradient.size)).astype(int))
    scale = float(np.abs(gradient).max(initial=0.0))
    worst = (0.0, -1)
    for element in picks.tolist():
        apart = abs(_central(name, element, tape, parameters) - gradient[element])
        if not apart <= max(worst[0], _TOLERANCE * scale + _SMALL, rounding):
            worst = (apart, element)
    if worst[1] >= 0:
        where = np.unravel_index(worst[1], write.incoming.shape)
        yield Difference(f"{name}.grad", worst[0], tuple(map(int, where)))


def _central(
    name: str, element: int, tape: LossFunction, parameters: Mapping[str, torch.Tensor]
) -> float:
    """The slope of the loss along one element."""
    center = float(parameters[name].reshape(-1)[element])
    width = _STEP * max(1.0, abs(center))
    ends = []
    for offset in (width, -width):
        moved = parameters[name].clone()
        moved.view(-1)[element] = center + offset
        with torch.no_grad():
            ends.append(float(tape.forward({**parameters, name: moved})))
    return (ends[0] - ends[1]) / (2 * width)
