"""Formulas as trees: written for page, paper and notebook, and evaluated by the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograd_lens.render.numbers import scalar

__all__ = [
    "Equation",
    "Expr",
    "Frac",
    "Num",
    "Op",
    "Paren",
    "Partial",
    "Power",
    "Sum",
    "Sym",
    "evaluate",
    "number",
]

Known = Mapping[str, float | npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Sym:
    """A letter; ``w1`` is written w with a small 1, a longer name upright.

    Attributes:
        name: The name, and its key among the known values.
        index: ``"i"`` for any element of a vector, ``"1"`` for the first, else ``""``.
        hat: Whether it is an estimate.
    """

    name: str
    index: str = ""
    hat: bool = False

    @property
    def parts(self) -> tuple[str, str]:
        """Letter and subscript."""
        match = re.fullmatch(r"([A-Za-z])_?(\d*)", self.name)
        letter, digits = match.groups() if match else (self.name, "")
        return letter, ",".join(part for part in (digits, self.index) if part)


@dataclass(frozen=True, slots=True)
class Num:
    """A number, shown with at most six digits that count."""

    value: float

    @property
    def text(self) -> str:
        """The digits, with a real minus sign."""
        return scalar(self.value).replace("-", "−")


@dataclass(frozen=True, slots=True)
class Op:
    """Two terms with ``+``, ``−``, ``×`` or, for a product without sign, ``""`` between."""

    left: Expr
    sign: str
    right: Expr


@dataclass(frozen=True, slots=True)
class Frac:
    """A fraction."""

    top: Expr
    bottom: Expr


@dataclass(frozen=True, slots=True)
class Power:
    """A power with a whole exponent."""

    base: Expr
    exponent: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum over i from 1 to n."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Paren:
    """An expression in brackets."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Partial:
    """A partial derivative; its value is known as ``d:`` and the name."""

    of: str
    by: str


Expr = Sym | Num | Op | Frac | Power | Sum | Paren | Partial


@dataclass(frozen=True, slots=True)
class Equation:
    """Sides that are equal.

    Attributes:
        sides: The sides.
        first: What stands behind the first side: ``"="``, or ``"←"`` where the first side is
            what the others are assigned to.
    """

    sides: tuple[Expr, ...]
    first: str = "="


def number(value: float) -> Expr:
    """A number for the middle of an expression: in brackets where it is negative."""
    return Paren(Num(value)) if value < 0 else Num(value)


def evaluate(expr: Expr, known: Known) -> float | npt.NDArray[np.float64]:
    """The value of an expression; numbers count as they are shown.

    Args:
        expr: The expression.
        known: Values of its letters: vectors for those with an index.
    """
    match expr:
        case Sym():
            value = known[f"{expr.name}^" if expr.hat else expr.name]
            return value[int(expr.index) - 1] if expr.index.isdigit() else value  # type: ignore[index]
        case Num():
            return float(expr.text.replace("−", "-"))
        case Partial():
            return known[f"d:{expr.by}"]
        case Paren():
            return evaluate(expr.body, known)
        case Frac():
            return evaluate(expr.top, known) / evaluate(expr.bottom, known)
        case Power():
            return evaluate(expr.base, known) ** expr.exponent
        case Sum():
            return float(np.sum(evaluate(expr.body, known)))
        case Op():
            left, right = evaluate(expr.left, known), evaluate(expr.right, known)
            return {"+": np.add, "−": np.subtract}.get(expr.sign, np.multiply)(left, right)
