"""What was computed, worked out with numbers: ``1.541 - 0.01 * (-5.55848) = 1.59658``.

Numbers are put into the formula itself, and it is shown where they give the recorded result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.story import NodeStory, Outgoing
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.expr import (
    CODE,
    TRANSPOSE,
    Call,
    Equation,
    Expr,
    Item,
    Listed,
    Name,
    Number,
    Op,
    Sum,
    Where,
    digits,
    evaluate,
    replaced,
    substituted,
    visible,
    walk,
    write,
)
from autograd_lens.trace.expression import Update, update_formula
from autograd_lens.trace.records import Kernel, ParameterUpdate, TensorUse
from autograd_lens.trace.values import Value

__all__ = [
    "Worked",
    "with_origins",
    "worked",
    "worked_gradient",
    "worked_node",
    "worked_update",
]

_CLOSE = 1e-4  # of a gradient: float32 sums in another order differ by less
_SINGLE = 1e-6  # constants of kernels in single precision
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


def worked_update(
    update: ParameterUpdate, kernels: Sequence[Kernel], origins: Sequence[Expr] = ()
) -> Worked | None:
    """The update's arithmetic with numbers put in, for its first element.

    Args:
        update: The update.
        kernels: The step's tape.
        origins: What some of its constants were computed from, shown in their place.

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
    told = with_origins(known.value, origins)
    formula = substituted(told, lambda name: _number(name, known, update))
    if any(isinstance(part, Name) for part in walk(formula)) or not _holds(formula, after):
        return None
    element = "" if update.after.numel == 1 else f"[{', '.join('0' * len(update.after.shape))}]"
    return Worked(update.parameter, element, formula, after)


def with_origins(formula: Expr, origins: Sequence[Expr]) -> Expr:
    """A formula with what some of its constants were computed from in their place."""
    return replaced(formula, lambda part: _origin(part, origins))


def _origin(part: Expr, origins: Sequence[Expr]) -> Expr | None:
    """What a constant was computed from, where that gives it."""
    if not isinstance(part, Number) or isinstance(part.value, int):
        return None
    return next((each for each in origins if np.isclose(evaluate(each, {}), part.value,
                                                        rtol=_SINGLE, atol=0)), None)  # fmt: skip


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
    """The first element; None where it was not kept or is no real number."""
    if value is None or not value.complete or not value.numel:
        return None
    try:
        found = value.array.ravel()[0].item()
    except TypeError:
        return None  # a type that NumPy lacks
    return None if isinstance(found, bool | complex) else digits(scalar(found))


def _holds(formula: Expr, after: Number) -> bool:
    used = [part for part in walk(formula) if isinstance(part, Number)]
    with np.errstate(all="ignore"):
        found = complex(evaluate(formula, {}))
    if not math.isfinite(abs(found)) or not math.isfinite(abs(after.value)):
        return True  # what an overflow gives depends on the order of rounding
    largest = max(abs(part.value) for part in (*used, after))
    return abs(found - after.value) <= _ROUNDED * max(largest, abs(found))


# --- a node of the backward ----------------------------------------------------------------


def worked_node(story: NodeStory) -> tuple[Equation, ...]:
    """The arithmetic of a node of the backward, for the first element of what it gave.

    It is the textbook's own formula with numbers put in for its names. Nothing is told where it
    cannot be shown in a line, or where the numbers that are shown do not give the gradient that
    was recorded.
    """
    shown: list[Equation] = []
    for out in story.outgoing:
        found = worked_gradient(story, out)
        shown += [found] if found is not None and found not in shown else []
    return tuple(shown)


def worked_gradient(story: NodeStory, out: Outgoing) -> Equation | None:
    """The arithmetic of one gradient that a node gave; None as above."""
    into = story.incoming[0].value if story.incoming else None
    recorded, told = _first(out.value), out.told
    if into is None or _first(into) is None or told is None or recorded is None:
        return None
    if out.broadcast:
        shown = _added_up(told, story, out, into)
    elif isinstance(told, Op) and told.sign == "@":
        shown = _gathered(told, story, into)
    else:
        shown = _put_in(told, story, into)
    return Equation((shown[0], recorded)) if shown and _near(shown[1], recorded) else None


def _near(found: float, recorded: Number) -> bool:
    return math.isfinite(found) and abs(found - recorded.value) <= _CLOSE * abs(found)


_Shown = tuple[Expr, float] | None
"""What is shown, and its value."""


def _put_in(told: Expr, story: NodeStory, into: Value) -> _Shown:
    """Numbers put into the formula, for the first element of each tensor."""
    shown = visible(told)
    if isinstance(shown, Name) or not _pointwise(told):  # a name goes on as it is
        return None
    known = _values(story, into)
    filled = substituted(shown, lambda name: _first(known.get(_key(name))))
    if any(isinstance(part, Name | Where) for part in walk(filled)):
        return None
    with np.errstate(all="ignore"):
        return filled, float(evaluate(filled, {}))


def _added_up(told: Expr, story: NodeStory, out: Outgoing, into: Value) -> _Shown:
    """What was repeated for every row: a sum over the rows."""
    if out.value is None or out.value.numel != 1 or not _pointwise(told):
        return None
    values = _values(story, into)
    names = {part for part in walk(told) if isinstance(part, Name)}
    known = {}
    for name in names:
        value = values.get(_key(name))
        if value is None or not value.complete or value.numel not in {1, into.numel}:
            return None
        known[name.key] = np.asarray(value.array, np.float64).ravel()
    indexed = substituted(told, lambda name: _letter(name, "i" if known[name.key].size > 1 else ""))
    with np.errstate(all="ignore"):
        return Sum(indexed), float(np.sum(evaluate(told, known)))


def _gathered(told: Op, story: NodeStory, into: Value) -> _Shown:
    """The first element of ``xᵀ @ G``: over all rows, gradient times input."""
    turned = told.left
    if not isinstance(turned, Call) or turned.function is not TRANSPOSE:
        return None
    name = turned.arguments[0]
    if not isinstance(name, Name):
        return None
    value = _values(story, into).get(_key(name))
    if value is None or not value.complete or not _same_rows(value, into):
        return None
    x, g = (np.asarray(each.array, np.float64) for each in (value, into))
    labels = ("i" if array.shape[1] == 1 else "i,1" for array in (g, x))
    body = (_letter(each, label) for each, label in zip((Name("G"), name), labels, strict=True))
    return Sum(Op("", *body)), float(np.sum(g[:, 0] * x[:, 0]))


def _letter(name: Name, index: str) -> Name:
    return Name("g" if name.text == "G" else name.text, index)


def _key(name: Name) -> str:
    """What the tensor that a name stands for is found by."""
    return name.text if name.tensor is None else str(name.tensor)


def _same_rows(one: Value, other: Value) -> bool:
    return len(one.shape) == len(other.shape) == 2 and one.shape[0] == other.shape[0]


def _values(story: NodeStory, into: Value) -> Mapping[str, Value]:
    """The tensors that the formula's names stand for, by their keys."""
    found = {"G": into}
    kernel = story.kernel
    for each in kernel.inputs if kernel else ():
        if isinstance(each.value, TensorUse) and each.value.value is not None:
            found[str(each.value.tensor)] = each.value.value
    for output in kernel.outputs[:1] if kernel else ():
        if output.value is not None:
            found[str(output.tensor)] = output.value
    return found
