"""What the parts of a condition compute, over all steps at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.columns import Column, Columns
from autograd_lens.analysis.condition_tokens import Token

__all__ = [
    "ARITHMETIC",
    "COMPARISONS",
    "EACH",
    "WHOLE",
    "Array",
    "Evaluate",
    "constant",
    "joined",
    "named",
    "negated",
    "truth",
    "unknown",
]

Array = npt.NDArray[Any]
Evaluate = Callable[[Columns], Column]

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": np.mod,
}
EACH: Mapping[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "exp": np.exp,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "log": np.log,
    "sqrt": np.sqrt,
}
WHOLE: Mapping[str, Callable[[Array], Array]] = {
    "all": lambda values: np.all(values.astype(np.bool_), axis=1, keepdims=True)[:, 0],
    "any": lambda values: np.any(values.astype(np.bool_), axis=1, keepdims=True)[:, 0],
    "max": lambda values: values.max(axis=1, initial=-np.inf),
    "mean": lambda values: values.mean(axis=1) if values.shape[1] else np.zeros(len(values)),
    "min": lambda values: values.min(axis=1, initial=np.inf),
    "norm": lambda values: np.sqrt(np.square(np.abs(values)).sum(axis=1)),
    "sum": lambda values: values.sum(axis=1),
}


def unknown(values: Array) -> Array:
    """Which elements are NaN; words and booleans never are."""
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, np.bool_)


def constant(value: np.float64 | np.str_) -> Evaluate:
    """The same number or word in every step."""
    column = Column(np.full((1, 1), value), np.ones(1, np.bool_))
    return lambda columns: column  # noqa: ARG005  the same in every step


def named(token: Token) -> Evaluate:
    """What a name of the run stands for."""
    if token.kind == "run":
        return lambda columns: columns.of_run(token.text)
    return lambda columns: columns.of_parameter(token.text, token.field)


def truth(column: Column) -> npt.NDArray[np.bool_]:
    """Where any element is true; a bare number is true where it is not zero, as in Python."""
    values = column.values
    if values.dtype.kind == "U":
        return np.ones(len(values), np.bool_) & column.there
    found = values.astype(np.bool_) & ~unknown(values)
    return np.asarray(found.any(axis=1) & column.there, np.bool_)


def negated(inner: Evaluate) -> Evaluate:
    """True where the inner condition does not hold."""

    def apply(columns: Columns) -> Column:
        found = ~truth(inner(columns))
        return Column.of_scalars(found, np.ones(len(found), np.bool_))

    return apply


def joined(terms: Sequence[Evaluate], join: Callable[[Array, Array], Array]) -> Evaluate:
    """Several conditions as one."""

    def apply(columns: Columns) -> Column:
        found = truth(terms[0](columns))
        for term in terms[1:]:
            found = join(found, truth(term(columns)))
        return Column.of_scalars(found, np.ones(len(found), np.bool_))

    return apply
