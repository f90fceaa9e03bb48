"""Arithmetic as text: terms with precedence, and how each ATen operator combines them.

A term is a piece of an expression that knows how tightly it binds, so that brackets appear
only where they are needed. What is written is the mathematics of a kernel, not its order of
rounding: ``addcmul(v, g, g, value=0.001)`` reads ``v + 0.001 * g ** 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

__all__ = ["Binding", "Term", "atom", "combine", "literal", "number"]

Arguments = Mapping[str, "Term"]
Plain = bool | int | float | complex | str | None
Rule = Callable[[Arguments], "Term"]

# Kernels on these compute with constants in double precision, on all others in single.
_DOUBLE = frozenset({"float64", "complex128", "int64"})
_OPEN_ENDS = frozenset({0, 2**63 - 1})
_FLOAT32 = np.finfo(np.float32)


class Binding(IntEnum):
    """How tightly the outermost operator of a term binds."""

    SUM = 0
    NEGATIVE = 1
    PRODUCT = 2
    POWER = 3
    ATOM = 4


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of an expression.

    Attributes:
        text: The piece as text.
        binding: How tightly its outermost operator binds.
        constant: Its value where it is a plain number, else None.
        opposite: The term without the minus that was put before it, else None.
    """

    text: str
    binding: Binding = Binding.ATOM
    constant: float | None = None
    opposite: Term | None = None

    def within(self, least: Binding) -> str:
        """The text, in brackets where it binds less tightly than ``least``."""
        return self.text if self.binding >= least else f"({self.text})"

    @property
    def fixed(self) -> bool:
        """Whether it is a constant of any kind."""
        return self.constant is not None or self.text in {"True", "False"}

    @property
    def negative(self) -> bool:
        """Whether it starts with a minus that belongs to the whole of it."""
        return self.text.startswith("-") and self.binding >= Binding.NEGATIVE


def atom(text: str) -> Term:
    """A name or a call."""
    return Term(text)


def literal(value: Plain, dtype: str = "float32") -> str:
    """A constant as people write it: the shortest digits that give the same kernel result.

    Args:
        value: The constant as the kernel received it.
        dtype: dtype of the tensor it meets; ``1 - 0.9`` in single precision is ``0.1``.
    """
    if not isinstance(value, float) or dtype in _DOUBLE:
        return repr(value)
    if not _FLOAT32.tiny <= abs(value) <= _FLOAT32.max:
        return repr(value)
    return repr(float(str(np.float32(value))))


def number(value: Plain, dtype: str = "float32") -> Term:
    """A constant as a term."""
    text = literal(value, dtype)
    if isinstance(value, bool | complex | str) or value is None:
        return atom(text)
    binding = Binding.NEGATIVE if text.startswith("-") else Binding.ATOM
    return Term(text, binding, value)


ZERO, ONE, TWO = number(0), number(1), number(2)


def combine(operator: str, arguments: Arguments) -> Term:
    """What an operator makes of its arguments.

    Args:
        operator: Name without namespace, overload and in-place underscore: ``"add"``.
        arguments: The arguments by the name that the schema gives them, in order.
    """
    rule = _RULES.get(operator)
    return rule(arguments) if rule else _call(operator, arguments)


def _call(operator: str, arguments: Arguments) -> Term:
    bare = 0 if operator.startswith("_fused_") else 3  # their many constants need names
    given = (
        f"{name}={argument.text}" if position >= bare and argument.fixed else argument.text
        for position, (name, argument) in enumerate(arguments.items())
    )
    return atom(f"{operator}({', '.join(given)})")


def _operands(arguments: Arguments, count: int = 2) -> list[Term]:
    return list(arguments.values())[:count]


def _same(arguments: Arguments) -> Term:
    return next(iter(arguments.values()))


def _other(arguments: Arguments) -> Term:
    return _operands(arguments)[1]


def _sum(left: Term, right: Term) -> Term:
    if left.constant == 0:
        return right
    if right.constant == 0:
        return left
    if right.text.startswith("-"):
        return Term(f"{left.text} - {right.text[1:]}", Binding.SUM)
    return Term(f"{left.text} + {right.text}", Binding.SUM)


def _negative(term: Term) -> Term:
    if term.constant is not None:
        return number(-term.constant)
    if term.opposite is not None:
        return term.opposite
    if term.negative:  # -0.01 * g
        return Term(term.text[1:], term.binding)
    return Term(f"-{term.within(Binding.PRODUCT)}", Binding.NEGATIVE, opposite=term)


def _difference(left: Term, right: Term) -> Term:
    if left.constant == 0 or right.constant == 0:
        return _sum(left, _negative(right))
    if right.negative:
        return Term(f"{left.text} + {right.text[1:]}", Binding.SUM)
    return Term(f"{left.text} - {right.within(Binding.PRODUCT)}", Binding.SUM)


def _product(left: Term, right: Term) -> Term:
    if right.constant is not None and left.constant is None:
        left, right = right, left
    if left.constant == 1:
        return right
    if left.constant == -1:
        return _negative(right)
    if left.constant is not None and 0 in (left.constant, right.constant):
        return ZERO if right.constant is not None else _chain(left, "*", right)
    if right.opposite is not None:
        return _negative(_product(left, right.opposite))
    return _chain(left, "*", right)


def _chain(left: Term, sign: str, right: Term) -> Term:
    text = f"{left.within(Binding.NEGATIVE)} {sign} {right.within(Binding.POWER)}"
    return Term(text, Binding.PRODUCT)


def _quotient(left: Term, right: Term) -> Term:
    return left if right.constant == 1 else _chain(left, "/", right)


def _power(base: Term, exponent: Term) -> Term:
    if exponent.constant == 1:
        return base
    text = f"{base.within(Binding.ATOM)} ** {exponent.within(Binding.ATOM)}"
    return Term(text, Binding.POWER)


def _add(arguments: Arguments) -> Term:
    left, right = _operands(arguments)
    return _sum(left, _product(arguments.get("alpha", ONE), right))


def _sub(arguments: Arguments) -> Term:
    left, right = _operands(arguments)
    return _difference(left, _product(arguments.get("alpha", ONE), right))


def _rsub(arguments: Arguments) -> Term:
    left, right = _operands(arguments)
    return _difference(right, _product(arguments.get("alpha", ONE), left))


def _mul(arguments: Arguments) -> Term:
    left, right = _operands(arguments)
    squared = left == right and left.constant is None
    return _power(left, TWO) if squared else _product(left, right)


def _div(arguments: Arguments) -> Term:
    if "rounding_mode" in arguments:
        return _call("div", arguments)
    return _quotient(*_operands(arguments))


def _scale(arguments: Arguments) -> Term:
    return next((arguments[name] for name in ("value", "scalars") if name in arguments), ONE)


def _addcmul(arguments: Arguments) -> Term:
    start, left, right = _operands(arguments, 3)
    scale = _scale(arguments)
    if left == right:
        return _sum(start, _product(scale, _power(left, TWO)))
    return _sum(start, _chain(_product(scale, left), "*", right))


def _addcdiv(arguments: Arguments) -> Term:
    start, above, below = _operands(arguments, 3)
    scale = _scale(arguments)
    return _sum(start, _quotient(_product(scale, above), below))


def _lerp(arguments: Arguments) -> Term:
    start, end, weight = _operands(arguments, 3)
    if weight.constant is None:
        return _sum(start, _product(weight, _difference(end, start)))
    kept = number(1.0 - weight.constant)
    return _sum(_product(kept, start), _product(weight, end))


def _matmul(arguments: Arguments) -> Term:
    left, right = _operands(arguments)
    return _chain(left, "@", right)


def _addmm(arguments: Arguments) -> Term:
    start, left, right = _operands(arguments, 3)
    beta, alpha = arguments.get("beta", ONE), arguments.get("alpha", ONE)
    return _sum(_product(beta, start), _product(alpha, _chain(left, "@", right)))


def _transpose(arguments: Arguments) -> Term:
    return atom(f"{_same(arguments).within(Binding.ATOM)}.T")


def _subscript(operator: str, arguments: Arguments) -> Term:
    whole, dim, *bounds = arguments.values()
    if dim.constant is None or dim.constant < 0:
        return _call(operator, arguments)
    leading = ":, " * int(dim.constant)
    shown = ("" if bound.constant in _OPEN_ENDS else bound.text for bound in bounds[:2])
    inner = ":".join(shown) if operator == "slice" else bounds[0].text
    return atom(f"{whole.within(Binding.ATOM)}[{leading}{inner}]")


_RULES: Mapping[str, Rule] = {
    "_to_copy": _same,
    "add": _add,
    "addcdiv": _addcdiv,
    "addcmul": _addcmul,
    "addmm": _addmm,
    "bmm": _matmul,
    "clone": _same,
    "copy": _other,
    "div": _div,
    "dot": _matmul,
    "fill": _other,
    "lerp": _lerp,
    "matmul": _matmul,
    "mm": _matmul,
    "mul": _mul,
    "mv": _matmul,
    "neg": lambda arguments: _negative(_same(arguments)),
    "pow": lambda arguments: _power(*_operands(arguments)),
    "reciprocal": lambda arguments: _quotient(ONE, _same(arguments)),
    "rsub": _rsub,
    "select": lambda arguments: _subscript("select", arguments),
    "slice": lambda arguments: _subscript("slice", arguments),
    "square": lambda arguments: _power(_same(arguments), TWO),
    "sub": _sub,
    "t": _transpose,
    "true_divide": _div,
    "zero": lambda _: ZERO,
    "zeros": lambda _: ZERO,
    "zeros_like": lambda _: ZERO,
}
