"""Updates that rounding swallowed: a number other than zero was added, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.trace.graph import argument, constant, operator_name
from autograd_lens.trace.records import Kernel, ParameterUpdate, Step, TensorUse

__all__ = ["LostUpdate", "lost_updates"]

_ADDING = {"add_": 1.0, "sub_": -1.0}


@dataclass(frozen=True, slots=True)
class LostUpdate:
    """One parameter's update in one step that changed nothing.

    Attributes:
        parameter: Its name.
        dtype: Its dtype.
        step: The step.
        kernel: The kernel that added.
        largest: The largest number it added.
        magnitude: Mean size of the parameter's elements.
    """

    parameter: str
    dtype: str
    step: int
    kernel: Kernel
    largest: float
    magnitude: float


def lost_updates(evidence: Evidence) -> list[LostUpdate]:
    """The lost updates of the first full step that has any."""
    for step in evidence.full:
        found = [one for update in step.updates for one in _lost(step, update)]
        if found:
            return found
    return []


def _lost(step: Step, update: ParameterUpdate) -> Iterator[LostUpdate]:
    for index in update.kernels:
        kernel = step.kernels[index]
        target, other = argument(kernel, "self"), argument(kernel, "other")
        sign = _ADDING.get(operator_name(kernel))
        if target is None or other is None or sign is None:
            continue
        if target.spec.name != update.parameter or not target.value or not target.value.complete:
            continue
        added = _largest(other) * abs(_alpha(kernel))
        if added > 0 and kernel.outputs and kernel.outputs[0].value == target.value:
            size = float(np.abs(target.value.array.astype(np.float64)).mean())
            yield LostUpdate(update.parameter, target.spec.dtype, step.index, kernel, added, size)


def _alpha(kernel: Kernel) -> float:
    alpha = constant(kernel, "alpha")
    return 1.0 if alpha is None else alpha


def _largest(use: TensorUse) -> float:
    if use.value is None or not use.value.complete or not use.value.numel:
        return 0.0
    return float(np.abs(use.value.array.astype(np.float64)).max())
