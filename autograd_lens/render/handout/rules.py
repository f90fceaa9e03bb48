"""What each node of the graph does, in words and worked out for its first element."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from autograd_lens.analysis.lesson import BackwardRow
from autograd_lens.analysis.story import formula
from autograd_lens.render.handout.mathematics import (
    Equation,
    Expr,
    Frac,
    Num,
    Op,
    Sum,
    Sym,
    number,
)
from autograd_lens.render.handout.values import real
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, TensorUse
from autograd_lens.trace.values import Value

__all__ = ["reason", "worked_examples"]

_ALIKE: Mapping[str, str] = {
    "_native_batch_norm_legit": "batch_norm",
    "_log_softmax": "log_softmax",
    "max_pool2d_with_indices": "max_pool",
    "native_batch_norm": "batch_norm",
    "native_layer_norm": "layer_norm",
    "matmul": "mm",
    "nll_loss_forward": "nll_loss",
    "reshape": "view",
    "square": "pow",
    "t": "view",
    "threshold": "relu",
    "transpose": "view",
    "unsqueeze": "view",
}


def reason(row: BackwardRow, words: Mapping[str, str]) -> str:
    """Why the node passes on what it does, for a beginner."""
    if row.node.variable:
        return words["why_accumulate"].format(name=row.node.variable)
    if row.kernel is None:
        return words["why_unknown"]
    key = f"why_{_rule(row)}"
    if key in words:
        return words[key].format(n=_count(row))
    rules = "; ".join(dict.fromkeys(formula(rule) for _, rule in row.node.formula))
    return words["why_other"].format(rule=rules) if rules else words["why_unknown"]


def _rule(row: BackwardRow) -> str:
    name = operator_name(row.kernel) if row.kernel else ""
    if name == "pow" and _argument(row, "exponent") != 2:  # noqa: PLR2004  only squares are explained
        return "other"
    if name in {"mul", "div"} and isinstance(_argument(row, "other"), int | float):
        return "mul_constant" if name == "mul" else "div"
    if name == "div":
        return "other"
    if name == "add" and _summed(row):
        return "add_bias"
    return _ALIKE.get(name, name)


def _count(row: BackwardRow) -> int:
    """Elements that the node gathers."""
    uses = [each.value for each in row.kernel.inputs] if row.kernel else []
    sizes = [math.prod(use.spec.shape) for use in uses if isinstance(use, TensorUse)]
    return max(sizes, default=1)


def _argument(row: BackwardRow, name: str) -> object:
    for each in row.kernel.inputs if row.kernel else ():
        if each.name == name and isinstance(each.value, Constant):
            return each.value.value
    return None


def _summed(row: BackwardRow) -> bool:
    """Whether one of the terms was smaller, and its gradient is a sum."""
    into = row.incoming[0].value if row.incoming else None
    return any(out.value and into and out.value.numel < into.numel for out in row.outgoing)


def worked_examples(row: BackwardRow) -> tuple[Equation, ...]:
    """The node's arithmetic for one element; nothing where it cannot be shown in a line.

    Every equation holds for the numbers it shows.
    """
    make = _EXAMPLES.get(_rule(row)) if row.kernel else None
    into = _into(row)
    if make is None or into is None or real(into) is None:
        return ()
    found = make(row, into)
    return tuple(each for each in found if all(map(_finite, each.sides)))


def _into(row: BackwardRow) -> Value | None:
    return row.incoming[0].value if row.incoming else None


def _first(value: Value | None) -> float:
    number_ = real(value)
    return math.nan if number_ is None else number_


def _finite(expr: Expr) -> bool:
    match expr:
        case Num():
            return math.isfinite(expr.value)
        case Op():
            return _finite(expr.left) and _finite(expr.right)
        case Frac():
            return _finite(expr.top) and _finite(expr.bottom)
        case Sym() | Sum():
            return True
        case _:
            return _finite(getattr(expr, "body", Num(0)))


def _equal(left: Expr, value: Value | None) -> Equation:
    return Equation((left, Num(_first(value))))


def _mean(row: BackwardRow, into: Value) -> list[Equation]:
    return [_equal(Frac(Num(_first(into)), Num(_count(row))), row.outgoing[0].value)]


def _divided(row: BackwardRow, into: Value) -> list[Equation]:
    other = _argument(row, "other")
    by = Num(float(other)) if isinstance(other, int | float) else Num(math.nan)
    return [_equal(Frac(Num(_first(into)), by), row.outgoing[0].value)]


def _multiplied(row: BackwardRow, into: Value) -> list[Equation]:
    other = _argument(row, "other")
    by = number(float(other)) if isinstance(other, int | float) else Num(math.nan)
    return [_equal(Op(Num(_first(into)), "×", by), row.outgoing[0].value)]


def _squared(row: BackwardRow, into: Value) -> list[Equation]:
    use = row.outgoing[0].use
    base = _first(use.value if use else None)
    product = Op(Op(Num(_first(into)), "×", Num(2)), "×", number(base))
    return [_equal(product, row.outgoing[0].value)]


def _bias(row: BackwardRow, into: Value) -> list[Equation]:
    small = [each for each in row.outgoing if each.value and each.value.numel == 1]
    return [
        Equation((Sum(Sym("g", "i")), Num(_first(each.value))))
        for each in small
        if each.value and into.numel > 1
    ]


def _product(row: BackwardRow, into: Value) -> list[Equation]:
    """The weight of a model with one input and one output."""
    given = {each.name: each.value for each in row.kernel.inputs} if row.kernel else {}
    x = given.get("self")
    weight = [each for each in row.outgoing if each.parameter and each.value]
    if not (isinstance(x, TensorUse) and x.value and x.value.complete and weight):
        return []
    if weight[0].value is None or weight[0].value.numel != 1 or x.value.numel != into.numel:
        return []
    total = float(np.sum(x.value.array.ravel().astype(np.float64) * into.array.ravel()))
    if not math.isclose(total, _first(weight[0].value), rel_tol=1e-4):
        return []
    body = Op(Sym("g", "i"), "", Sym(x.spec.name or "x", "i"))
    return [_equal(Sum(body), weight[0].value)]


_EXAMPLES: Mapping[str, Callable[[BackwardRow, Value], list[Equation]]] = {
    "add_bias": _bias,
    "div": _divided,
    "mean": _mean,
    "mm": _product,
    "mul_constant": _multiplied,
    "pow": _squared,
}
