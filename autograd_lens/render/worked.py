"""An update worked out with numbers: ``1.541 - 0.01 * (-5.55848) = 1.59658``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.render.numbers import scalar
from autograd_lens.trace.expr import (
    CODE,
    Call,
    Equation,
    Expr,
    Item,
    Listed,
    Name,
    Number,
    Op,
    digits,
    evaluate,
    substituted,
    walk,
    write,
)
from autograd_lens.trace.expression import Update, update_formula
from autograd_lens.trace.records import Kernel, ParameterUpdate
from autograd_lens.trace.values import Value

__all__ = ["Worked", "worked", "worked_update"]

_ROUNDED = 2e-5  # a share of the largest number: each is shown with six digits


@dataclass(frozen=True, slots=True)
class Worked:
    """The arithmetic of one element of a parameter.

    Attributes:
        parameter: Name of the parameter.
        element: ``""`` for a parameter of one element, else ``"[0, 0]"``.
        formula: The update with numbers put in.
        result: What was recorded.
    """

    parameter: str
    element: str
    formula: Expr
    result: Number

    @property
    def equation(self) -> Equation:
        """The parameter, and what it was set to."""
        return Equation((Name(self.parameter), self.formula, self.result), "←")


def worked(update: ParameterUpdate, kernels: Sequence[Kernel]) -> tuple[str, str, str] | None:
    """The update as text: element, expression with numbers, result; None as below."""
    found = worked_update(update, kernels)
    return (found.element, write(found.formula, CODE), found.result.text) if found else None


def worked_update(update: ParameterUpdate, kernels: Sequence[Kernel]) -> Worked | None:
    """The update's arithmetic with numbers put in, for its first element.

    Args:
        update: The update.
        kernels: The step's tape.

    Returns:
        The arithmetic; None where a value was not kept, where one element alone does not say
        what happened, or where the numbers shown would not give the result.
    """
    after = _first(update.after)
    if after is None or update.after is None:
        return None
    known = update_formula(kernels, update.kernels, update.parameter)
    if known.value is None or known.changes or known.definitions or not _pointwise(known.value):
        return None
    formula = substituted(known.value, lambda name: _number(name, known, update))
    if any(isinstance(part, Name) for part in walk(formula)) or not _holds(formula, after):
        return None
    element = "" if update.after.numel == 1 else f"[{', '.join('0' * len(update.after.shape))}]"
    return Worked(update.parameter, element, formula, after)


def _pointwise(formula: Expr) -> bool:
    """Whether an element of the value depends on the same elements of what it is made from."""
    return not any(
        isinstance(part, Item | Listed)
        or (isinstance(part, Op) and part.sign == "@")
        or (isinstance(part, Call) and not part.function.pointwise)
        for part in walk(formula)
    )


def _number(name: Name, known: Update, update: ParameterUpdate) -> Number | None:
    """The first element of what a name stood for before the update."""
    values = {update.parameter: update.before, f"{update.parameter}.grad": update.grad}
    read = known.read.get(-1 if name.tensor is None else name.tensor)
    value = values.get(name.text, read.value if read else None)
    whole = update.after
    if value is None or whole is None or not (value.numel == 1 or value.shape == whole.shape):
        return None
    return _first(value)


def _first(value: Value | None) -> Number | None:
    if value is None or not value.complete or not value.numel:
        return None
    return digits(scalar(value.array.ravel()[0].item()))


def _holds(formula: Expr, after: Number) -> bool:
    used = [part for part in walk(formula) if isinstance(part, Number)]
    with np.errstate(all="ignore"):
        found = complex(evaluate(formula, {}))
    if not math.isfinite(abs(found)) or not math.isfinite(abs(after.value)):
        return True  # what an overflow gives depends on the order of rounding
    largest = max(abs(part.value) for part in (*used, after))
    return abs(found - after.value) <= _ROUNDED * max(largest, abs(found))
