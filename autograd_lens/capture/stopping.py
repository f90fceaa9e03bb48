"""Ending a program at a step that meets what the recording was asked to stop on.

NOTE 1 [Where it is asked]: behind each backward, before the update that would spread what is
wrong. So parameters and optimizer still are what the step read, and a large parameter, of which
light rows hold a digest, can be kept whole without a keyframe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from autograd_lens.live.reading import RawValue, read
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.values import Array, Value, numpy_dtype

__all__ = ["StepSoFar", "StopOn", "not_finite"]

_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class StepSoFar:
    """A step, as it is known when one of its backwards has ended.

    Attributes:
        step: Its number.
        loss: What the backward began from, None where that was no single number.
        parameters: What is known of each parameter.
        alive: The parameters that still exist, by their position in ``parameters``.
        values: What the backward found in each.
        grads: What it left in ``.grad`` of each.
    """

    step: int
    loss: float | None
    parameters: Sequence[Parameter]
    alive: Callable[[], Iterator[tuple[int, torch.Tensor]]]
    values: Sequence[RawValue]
    grads: Sequence[RawValue]

    def names(self) -> tuple[str, ...]:
        """All names that the parameters answer to."""
        return tuple(name for one in self.parameters for name in (one.name, *one.aliases))

    def quantity(self, name: str, field: str) -> Array | None:
        """The elements of a parameter's ``value`` or ``grad``; None where it has none.

        Args:
            name: A name of the parameter.
            field: ``"value"`` or ``"grad"``.
        """
        index = next(
            (i for i, one in enumerate(self.parameters) if name in (one.name, *one.aliases)), None
        )
        if index is None or index >= len(self.values):
            return None
        return self.elements(index, field)

    def elements(self, index: int, field: str) -> Array | None:
        """The same of the parameter at a position; a large one is read from its memory."""
        parameter = self.parameters[index]
        raw = (self.grads if field == "grad" else self.values)[index]
        if raw is not None and not isinstance(raw, bytes):
            tensor = dict(self.alive()).get(index)
            tensor = tensor.grad if tensor is not None and field == "grad" else tensor
            raw = None if tensor is None else read(tensor, _MOST)
        if not isinstance(raw, bytes):
            return None
        return Value(parameter.dtype, parameter.shape, raw).array


@dataclass(frozen=True, slots=True)
class StopOn:
    """What ends a program.

    Attributes:
        text: What was asked for.
        met: Tells what a step meets of it, in words; ``""`` where it does not.
    """

    text: str
    met: Callable[[StepSoFar], str]


def not_finite(found: StepSoFar) -> str:
    """What of a loss, the parameters and their gradients is infinite or no number.

    Parameters come first: where an update broke one, all else follows from it.
    """
    broken = _broken(found, "value", found.values)
    if broken:
        return f"{broken} not finite when the step began"
    if found.loss is not None and not math.isfinite(found.loss):
        return f"the loss is {found.loss:g}"
    broken = _broken(found, "grad", found.grads)
    return f"{broken} not finite" if broken else ""


def _broken(found: StepSoFar, field: str, raw: Sequence[RawValue]) -> str:
    """The parameters, or gradients, with elements that are not finite, and a verb."""
    names = [
        found.parameters[index].name + (".grad" if field == "grad" else "")
        for index, value in enumerate(raw)
        if value is not None and not _is_finite(found, index, field, value)
    ]
    past = field == "value"
    if len(names) > 1:
        return f"{names[0]} and {len(names) - 1} more {'were' if past else 'are'}"
    return f"{names[0]} {'was' if past else 'is'}" if names else ""


def _is_finite(found: StepSoFar, index: int, field: str, raw: RawValue) -> bool:
    if isinstance(raw, bytes):
        dtype = numpy_dtype(found.parameters[index].dtype)
        return bool(np.isfinite(np.frombuffer(raw, dtype)).all())
    if raw is None or math.isfinite(raw.norm):
        return True
    elements = found.elements(index, field)  # the norm of finite ones may overflow
    return elements is not None and bool(np.isfinite(elements).all())
