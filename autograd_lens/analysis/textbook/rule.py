"""A derivative as a textbook writes it, which can also be computed.

``G`` is the gradient that arrives at an operator's result: the derivative of the loss with
respect to that result, and of its shape. A rule gives what goes on to one of its inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Compute", "Given", "Rule", "sum_to"]

Array = npt.NDArray[Any]
Given = Mapping[str, Any]
"""Arguments by their schema name, arrays or constants; ``result``, ``result1``, ... beside."""
Compute = Callable[[Array, Given], Array]

_PLACE = re.compile(r"\{(\w+)\}")
_NEEDLESS = re.compile(r" (?:·|\*\*) 1(?![\w.])|\^\{1\}| \\cdot 1(?![\w.])")


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes on to one input of an operator.

    Attributes:
        text: The formula; ``{self}`` stands for the name of that argument.
        latex: The same for a handout.
        why: The reason, one short sentence.
        compute: Computes it in float64, before the sum that undoes a broadcast.
        elementwise: Whether inputs are broadcast against each other.
    """

    text: str
    latex: str
    why: str
    compute: Compute
    elementwise: bool = False

    def worded(self, names: Mapping[str, str]) -> str:
        """The formula with the names of this call's arguments."""
        filled = _PLACE.sub(lambda match: names.get(match[1], match[1]), self.text)
        return _NEEDLESS.sub("", filled)

    def worded_latex(self, names: Mapping[str, str]) -> str:
        """The LaTeX formula with the names of this call's arguments."""
        filled = _PLACE.sub(lambda match: names.get(match[1], match[0]), self.latex)
        return _NEEDLESS.sub("", filled)

    def gradient(self, grad: Array, given: Given, shape: tuple[int, ...]) -> Array:
        """The gradient of an input of ``shape``.

        Raises:
            KeyError: An argument that the formula needs is not known.
        """
        found = self.compute(grad, given)
        return sum_to(found, shape) if self.elementwise else np.asarray(found)


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Undo a broadcast: sum over the axes along which an input of ``shape`` was repeated."""
    extra = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(extra)))
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and summed.shape[axis] != 1)
    return summed.sum(axis=axes, keepdims=True) if axes else np.broadcast_to(summed, shape)
