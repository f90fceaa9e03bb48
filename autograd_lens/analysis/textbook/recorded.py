"""A textbook rule laid beside what a run recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lens.analysis.textbook.rule import Array, Rule
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, Kernel, TensorUse
from autograd_lens.trace.values import Value

__all__ = ["difference", "gradient"]

Item = TensorUse | Constant | tuple[TensorUse | Constant, ...]

_CANCELLED = 1e-3  # of all that was added up: float32 keeps seven digits of it
_MOST = 1 << 18  # elements; more are not computed again while a reader waits
_UNKNOWABLE = (*(KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError),)


def difference(
    rule: Rule, kernel: Kernel, grad: Value | None, recorded: Value, position: int = 0
) -> float | None:
    """How far the textbook's gradient is from the recorded one.

    Args:
        rule: The rule of one input.
        kernel: The forward kernel.
        grad: What arrived at its first result.
        recorded: The input's gradient as the run had it.
        position: Place of the input in its list, where it is one of several.

    Returns:
        The largest difference as a share of the largest recorded element, or of what rounding
        leaves where much is added up and cancels; None where a value was not kept, is too
        large, or was overwritten by the kernel.
    """
    try:
        arrived, known = _number(grad), _number(recorded)
    except _UNKNOWABLE:
        return None  # a value was not kept
    found = gradient(rule, kernel, arrived, recorded.shape, position)
    if found is None or found.shape != known.shape:
        return None
    added = arrived.size / max(known.size, 1) * float(np.abs(arrived).max(initial=0.0))
    scale = max(float(np.abs(known).max(initial=0.0)), _CANCELLED * added) or 1.0
    return float(np.abs(found - known).max(initial=0.0)) / scale


def gradient(
    rule: Rule, kernel: Kernel, grad: Array, shape: tuple[int, ...], position: int = 0
) -> Array | None:
    """The gradient that the textbook gives from the values that the kernel worked with.

    Args:
        rule: The rule of one input.
        kernel: The forward kernel.
        grad: What arrives at its first result.
        shape: Shape of the input.
        position: Place of the input in its list, where it is one of several.

    Returns:
        The input's gradient in float64; None where a value was not kept, is too large, or was
        overwritten by the kernel.
    """
    if operator_name(kernel).endswith("_"):
        return None
    try:
        return rule.gradient(grad, _arguments(kernel) | {"position": position}, shape)
    except _UNKNOWABLE:
        return None  # a value was not kept, or an argument has a form that the rule does not know


def _arguments(kernel: Kernel) -> dict[str, Any]:
    known = {argument.name: _plain(argument.value) for argument in kernel.inputs}
    for position, output in enumerate(kernel.outputs):
        if output.value is not None and output.value.complete:
            known[f"result{position or ''}"] = _plain(output)
    return known


def _plain(item: Item) -> Any:  # noqa: ANN401  an array, a constant or a list of them
    if isinstance(item, TensorUse):
        return _number(item.value)
    if isinstance(item, Constant):
        return item.value
    return [_plain(each) for each in item]


def _number(value: Value | None) -> Array:
    """The recorded elements in float64; booleans and integers as they are.

    Raises:
        ValueError: They were not kept, or are too many.
    """
    if value is None or value.numel > _MOST:
        msg = "no such value"
        raise ValueError(msg)
    array = value.array
    return array.astype(np.float64) if array.dtype.kind == "f" else array
