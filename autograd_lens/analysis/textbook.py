"""The textbook derivatives of the operators that programs use most.

``G`` is the gradient that arrives at an operator's result: the derivative of the loss with
respect to that result, and of its shape. A rule gives what goes on to one of its inputs. Each
rule is one formula, which is what a reader sees and what is computed: where arithmetic does not
say it, a named function of ``derivatives`` stands in the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from autograd_lens.analysis import derivatives as of
from autograd_lens.analysis.derivatives import Given, sum_to
from autograd_lens.trace.expr import (
    ONE,
    ZERO,
    Binding,
    Call,
    Expr,
    Function,
    Name,
    Op,
    Where,
    Word,
    constant,
    evaluate,
    simplified,
    substituted,
)
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, Kernel, TensorUse
from autograd_lens.trace.values import Array, Value

__all__ = ["RULES", "Rule", "difference", "gradient"]

_DEFAULTS: Mapping[str, Any] = {
    "alpha": 1,
    "approximate": "none",
    "beta": 1,
    "dim": None,
    "ignore_index": -100,
    "keepdim": False,
    "max": None,
    "min": None,
    "negative_slope": 0.01,
    "pos_weight": 1.0,
    "reduction": 1,
    "training": True,
    "weight": 1.0,
}
"""What an operator takes for arguments that its call left out."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes on to one input of an operator.

    Attributes:
        formula: The formula; its names are the operator's arguments, ``G``, ``result``, and
            ``n``, the number of elements that went into each of the result's.
        why: The reason, one short sentence.
        elementwise: Whether inputs are broadcast against each other.
    """

    formula: Expr
    why: str
    elementwise: bool = False

    def named(self, names: Mapping[str, Expr]) -> Expr:
        """The formula with what this call's arguments are: names, or constants.

        Factors of one and conditions that are settled are left out.
        """
        given = {name: item for name, item in names.items() if item != Word("None")}
        filled = {**_ABSENT, **given}
        return simplified(substituted(self.formula, lambda name: filled.get(name.text)))

    def gradient(self, grad: Array, given: Given, shape: tuple[int, ...]) -> Array:
        """The gradient of an input of ``shape``, in float64.

        Raises:
            KeyError: An argument that the formula needs is not known.
        """
        known = {**_DEFAULTS, **{name: item for name, item in given.items() if item is not None}}
        known |= {"G": grad, "n": _count(known)}
        if "result1" in known:
            known["mask"] = known["result1"]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = np.asarray(evaluate(self.formula, known))
        return sum_to(found, shape) if self.elementwise else found


_ABSENT: Mapping[str, Expr] = {name: constant(value) for name, value in _DEFAULTS.items()}


def _count(known: Given) -> int:
    """How many elements went into each of the result's; 1 where losses are added up."""
    if known["reduction"] != 1:
        return 1
    whole = np.size(known["self"]) if "self" in known else 1
    return whole // max(np.size(known.get("result", 1)), 1)


# --- the formulas --------------------------------------------------------------------------

_G, _SELF, _OTHER, _RESULT, _N = map(Name, ("G", "self", "other", "result", "n"))
_ALPHA, _WEIGHT, _EXPONENT, _P = map(Name, ("alpha", "weight", "exponent", "p"))
_LOW, _HIGH, _TARGET, _CONDITION = map(Name, ("min", "max", "target", "condition"))
_POSITIVE = Name("pos_weight")
_MAT1, _MAT2, _VEC, _TENSOR = map(Name, ("mat1", "mat2", "vec", "tensor"))
_INDICES, _INPUT, _APPROXIMATE = map(Name, ("indices", "input", "approximate"))


def _function(
    name: str,
    compute: Callable[..., object],
    text: str = "",
    latex: str = "",
    binding: Binding = Binding.ATOM,
) -> Callable[..., Call]:
    """A named function for the formulas below, with words or a notation of its own."""
    forms = {key: form for key, form in (("text", text), ("latex", latex)) if form}
    needs = Binding.PRODUCT if binding == Binding.PROSE else Binding.ATOM
    made = Function(name, compute, forms, binding, needs)
    return lambda *arguments: Call(made, arguments)


def _prose(
    name: str, compute: Callable[..., object], text: str, latex: str = ""
) -> Callable[..., Call]:
    """A function that is told in words."""
    return _function(name, compute, text, latex, Binding.PROSE)


def _pointwise(
    name: str, compute: Callable[..., object], text: str = "", latex: str = ""
) -> Callable[..., Call]:
    """A function of each element alone, which is given all that it needs."""
    forms = {key: form for key, form in (("text", text), ("latex", latex)) if form}
    made = Function(name, compute, forms, needs=Binding.PROSE, pointwise=True)
    return lambda *arguments: Call(made, arguments)


def _numpy(function: np.ufunc) -> Callable[..., Call]:
    return _pointwise(function.__name__, lambda _, x: function(x))


_cos, _exp, _log, _sign, _sin = map(_numpy, (np.cos, np.exp, np.log, np.sign, np.sin))
_sigma = _pointwise("σ", of.sigmoid)
_normal = _pointwise("Φ", of.normal, "Φ({0})", r"\Phi\left({0}\right)")
_density = _pointwise("φ", of.density, "φ({0})", r"\varphi\left({0}\right)")
_larger = _prose("larger", of.share, "{0} where {1} > {2}", r"{0} \odot [{1} > {2}]")
_smaller = _prose("smaller", of.share, "{0} where {2} < {1}", r"{0} \odot [{2} < {1}]")

_spread = _pointwise("spread", of.spread, "{0}")
_scale = _function("scale", of.scale, "{0}")
_reshaped = _prose(
    "reshape", of.reshaped, "{0} in the shape of {1}", r"\operatorname{{reshape}}({0})"
)
_largest = _prose(
    "largest", of.largest, "{0} at the largest element, else 0", r"{0} \odot [{1} = \max {1}]"
)
_put_back = _prose(
    "put_back", of.put_back, "{0} at its place, else 0", r"\operatorname{{pad}}({0})"
)
_scattered = _prose(
    "scatter", of.scattered, "{0} added up at {1}", r"\sum_{{k:\,{{{1}}}_k = r}} {{{0}}}_k"
)
_gathered = _prose(
    "gather",
    of.gathered,
    "{0} added up at the rows of {1}",
    r"\sum_{{k:\,{{{1}}}_k = r}} {{{0}}}_k",
)
_cut = _prose("part", of.cut, "the part of {0} that came from it", r"{{{0}}}_{{\text{{part}}}}")
_layer = _prose("layer", of.layer, "the layer of {0} that it became", r"{{{0}}}_{{\text{{layer}}}}")
_turned = _function("turned", of.turned, "{0}ᵀ", r"{0}^\top", Binding.POWER)
_outer = _prose("outer", of.outer, "outer product of {0} and {1}", r"{0}\,{1}^\top")
_over_rows = _prose("rows", of.over_rows, "sum of {0} over the rows", r"\sum_i {{{0}}}_i")
_over_copies = _prose(
    "copies", of.over_rows, "{0} summed over the copies", r"\sum_{{\text{{copies}}}} {0}"
)

_total = _prose("total", of.total, "sum of {0}", r"\sum {0}")
_weights = _function("weights", of.weights, "n", r"n_{{\text{{rows}}}}")
_at_target = _prose(
    "at_target",
    of.at_target,
    "{0} at each row's target, else 0",
    r"{0}\,[\,j = {{{1}}}_i\,]",
)
_mean = _function("mean", of.average)
_normalised = Function(
    "normalised",
    of.normalised,
    {
        "text": "x̂",
        "latex": r"\widehat{{{0}}}",
        "mathml": "<mover><mrow>{0}</mrow><mo>^</mo></mover>",
        "typst": "hat({0})",
    },
    closed=True,
)
_hat = Call(_normalised, (_INPUT,))
_std = _function("std", of.deviation, "std", r"\mathrm{{std}}\left({0}\right)")(_INPUT)
_over_batch = _prose("batch", of.over_batch, "sum of {0} over the batch", r"\sum {0}")

_over_places = _prose("places", of.over_places, "sum of {0} over batch and places", r"\sum {0}")
_slid_back = _prose(
    "slide", of.slid_back, "{0} slid back over {1}", r"{0} \star {1}^{{\text{{flipped}}}}"
)
_correlated = _prose(
    "correlate", of.correlated, "sum over batch and places of {1} · {0}", r"{1} \star {0}"
)
_pooled = _prose(
    "pooled",
    of.pooled,
    "{0} at each window's largest element, else 0",
    r"{0} \text{{ at }} \arg\max",
)

_ADDED = "adding passes a change on as it is"
_TAKEN = "subtracting passes a change on as it is"
_FACTOR = "a factor counts as much as the other one is large"
_SLOPE = "the slope of the function at each element, times what arrives"
_MOVED = "elements only changed places, so their gradients go back to them"
_LEFT = "each row of the left factor met every column of the right one"
_RIGHT = "each column of the right factor met every row of the left one, so rows add up"
_CENTRED = "mean and spread move with every element, so their share is taken off"
_PART = "a part of G is the gradient of the tensor that it came from"
_SHARED = "all elements share one sum, so each one's gain is the others' loss"


def _each(formula: Expr, why: str = _SLOPE) -> Rule:
    """A rule that holds element by element."""
    return Rule(formula, why, elementwise=True)


def _norm(scaled: Expr) -> Expr:
    """What goes on to the input of a normalisation."""
    return (scaled - _mean(scaled) - _hat * _mean(scaled * _hat)) / _std


def _norms(formula: Expr) -> Mapping[str, Rule]:
    return {
        "input": Rule(formula, _CENTRED),
        "weight": Rule(_over_batch(_G * _hat), "it scaled the normalised input of every example"),
        "bias": Rule(_over_batch(_G), "it was added to every example"),
    }


_SCALED = _scale(_WEIGHT) * _G
_BATCH_NORM = _norms(Where(Name("training"), _norm(_SCALED), _SCALED / _std))
_VIEW = {"self": Rule(_reshaped(_G, _SELF), _MOVED)}
_TURN = {"self": Rule(_turned(_G), _MOVED)}
_MAX = {"self": Rule(_largest(_G, _SELF), "only the largest element moves the result")}
_PIECE = {"self": Rule(_put_back(_G), "what was left out does not move the result")}
_SQUARED = _G * 2 * (_SELF - _TARGET) / _N
_MEANT = Op("==", Name("reduction"), ONE)  # losses are averaged, not added up

RULES: Mapping[str, Mapping[str, Rule]] = MappingProxyType({
    # element by element
    "abs": {"self": _each(_G * _sign(_SELF))},
    "add": {
        "self": _each(_G, _ADDED),
        "other": _each(_G * _ALPHA, _ADDED),
    },
    "clamp": {"self": _each(
        Where(Op("and", _LOW <= _SELF, _SELF <= _HIGH), _G, ZERO),
        "what is cut off does not move with its input",
    )},
    "clone": {"self": _each(_G, "a copy is what it copies")},
    "cos": {"self": _each(-_G * _sin(_SELF))},
    "div": {
        "self": _each(_G / _OTHER, "dividing scales a change as well"),
        "other": _each(
            -_G * _SELF / _OTHER**2, "a larger divisor makes the quotient smaller"
        ),
    },
    "exp": {"self": _each(_G * _RESULT, "exp is its own derivative")},
    "gelu": {"self": _each(
        _G * (_normal(_SELF, _APPROXIMATE) + _SELF * _density(_SELF, _APPROXIMATE))
    )},
    "leaky_relu": {"self": _each(Where(_SELF > 0, _G, Name("negative_slope") * _G))},
    "log": {"self": _each(_G / _SELF)},
    "maximum": {
        "self": _each(_larger(_G, _SELF, _OTHER), "only the larger one is passed on"),
        "other": _each(_larger(_G, _OTHER, _SELF), "only the larger one is passed on"),
    },
    "minimum": {
        "self": _each(_smaller(_G, _OTHER, _SELF), "only the smaller one is passed on"),
        "other": _each(_smaller(_G, _SELF, _OTHER), "only the smaller one is passed on"),
    },
    "mul": {"self": _each(_G * _OTHER, _FACTOR), "other": _each(_G * _SELF, _FACTOR)},
    "neg": {"self": _each(-_G, "the sign turns")},
    "pow": {
        "self": _each(_G * _EXPONENT * _SELF ** (_EXPONENT - 1), "the power rule"),
        "exponent": _each(
            _G * _RESULT * _log(_SELF), "a power grows with its exponent as its logarithm says"
        ),
    },
    "reciprocal": {"self": _each(-_G * _RESULT**2)},
    "relu": {"self": _each(Where(_SELF > 0, _G, ZERO), "what was cut to zero does not move")},
    "rsqrt": {"self": _each(-_G * _RESULT**3 / 2)},
    "rsub": {
        "self": _each(-_G * _ALPHA, "what is taken away counts the other way round"),
        "other": _each(_G, _TAKEN),
    },
    "sigmoid": {"self": _each(_G * _RESULT * (1 - _RESULT))},
    "silu": {"self": _each(_G * _sigma(_SELF) * (1 + _SELF * (1 - _sigma(_SELF))))},
    "sin": {"self": _each(_G * _cos(_SELF))},
    "sqrt": {"self": _each(_G / (2 * _RESULT))},
    "sub": {
        "self": _each(_G, _TAKEN),
        "other": _each(-_G * _ALPHA, "what is taken away counts the other way round"),
    },
    "tanh": {"self": _each(_G * (1 - _RESULT**2))},
    "where": {
        "self": _each(Where(_CONDITION, _G, ZERO), "only what was chosen is passed on"),
        "other": _each(Where(_CONDITION, ZERO, _G), "only what was chosen is passed on"),
    },
    # products of matrices
    "addmm": {
        "self": Rule(
            Name("beta") * _over_rows(_G), "it was added to every row, so every row moves it"
        ),
        "mat1": Rule(_ALPHA * (_G @ _MAT2.T), _LEFT),
        "mat2": Rule(_ALPHA * (_MAT1.T @ _G), _RIGHT),
    },
    "bmm": {"self": Rule(_G @ _MAT2.T, _LEFT), "mat2": Rule(_SELF.T @ _G, _RIGHT)},
    "dot": {"self": Rule(_G * _TENSOR, _FACTOR), "tensor": Rule(_G * _SELF, _FACTOR)},
    "mm": {"self": Rule(_G @ _MAT2.T, _LEFT), "mat2": Rule(_SELF.T @ _G, _RIGHT)},
    "mv": {"self": Rule(_outer(_G, _VEC), _LEFT), "vec": Rule(_SELF.T @ _G, _RIGHT)},
    # elements moved, repeated, added up
    "_reshape_alias": _VIEW,
    "_unsafe_view": _VIEW,
    "amax": _MAX,
    "cat": {"tensors": Rule(_cut(_G), _PART)},
    "embedding": {"weight": Rule(
        _gathered(_G, _INDICES), "a row that was looked up often is moved by each look"
    )},
    "expand": {"self": Rule(_over_copies(_G), "every copy moves the one it was made from")},
    "index": {"self": Rule(
        _scattered(_G, _INDICES), "an element that was picked often is moved by each pick"
    )},
    "max": _MAX,
    "mean": {"self": Rule(_spread(_G) / _N, "each of the n elements has an equal share")},
    "permute": _TURN,
    "select": _PIECE,
    "slice": _PIECE,
    "squeeze": _VIEW,
    "stack": {"tensors": Rule(_layer(_G), _PART)},
    "sum": {"self": Rule(_spread(_G), "each element counts once")},
    "t": _TURN,
    "transpose": _TURN,
    "unsqueeze": _VIEW,
    "view": _VIEW,
    # what networks are built of
    "_log_softmax": {"self": Rule(_G - _exp(_RESULT) * _total(_G), _SHARED)},
    "_native_batch_norm_legit": _BATCH_NORM,
    "_softmax": {"self": Rule(_RESULT * (_G - _total(_G * _RESULT)), _SHARED)},
    "convolution": {
        "input": Rule(
            _slid_back(_G, _WEIGHT), "each pixel moved every output that its window touched"
        ),
        "weight": Rule(
            _correlated(_G, _INPUT), "one kernel met every window, so all windows add up"
        ),
        "bias": Rule(_over_places(_G), "it was added at every place"),
    },
    "max_pool2d_with_indices": {"self": Rule(
        _pooled(_G), "only the largest element of a window was passed on"
    )},
    "binary_cross_entropy_with_logits": {"self": Rule(
        _WEIGHT * _G * Where(
            Op("==", _POSITIVE, ONE),
            _sigma(_SELF) - _TARGET,
            _sigma(_SELF) * (1 - _TARGET + _POSITIVE * _TARGET) - _POSITIVE * _TARGET,
        ) / _N,
        "the slope is by how much the probability is wrong",
    )},
    "mse_loss": {
        "self": Rule(_SQUARED, "the slope of a square is twice its side"),
        "target": Rule(-_SQUARED, "the slope of a square is twice its side"),
    },
    "native_batch_norm": _BATCH_NORM,
    "native_dropout": {"input": Rule(
        Where(Op("==", _P, ONE), ZERO * _G, _G * Name("mask") / (1 - _P)),
        "what was dropped does not move; the rest was scaled up",
    )},
    "native_layer_norm": _norms(_norm(_SCALED)),
    "nll_loss_forward": {"self": Rule(
        _at_target(-_G / Where(_MEANT, _weights(), ONE), _TARGET),
        "only the target's log-probability enters the loss",
    )},
})  # fmt: skip
"""Operator, then argument: what goes on to that argument."""


# --- beside what a run recorded ------------------------------------------------------------

_Item = TensorUse | Constant | tuple[TensorUse | Constant, ...]

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
    added = arrived.size / max(known.size, 1) * _finite_size(arrived)
    scale = max(_finite_size(known), _CANCELLED * added) or 1.0
    return _apart(found, known) / scale


def _finite_size(array: Array) -> float:
    """The largest absolute value of an array's finite elements."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _apart(found: Array, known: Array) -> float:
    """The largest difference of two elements: NaN and each infinity are equal to themselves."""
    same = (found == known) | (np.isnan(found) & np.isnan(known))
    with np.errstate(invalid="ignore"):  # NaN where both are infinite
        gaps = np.where(same, 0.0, np.abs(found - known))
    return float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max(initial=0.0))


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


def _arguments(kernel: Kernel) -> dict[str, object]:
    known = {argument.name: _plain(argument.value) for argument in kernel.inputs}
    for position, output in enumerate(kernel.outputs):
        if output.value is not None and output.value.complete:
            known[f"result{position or ''}"] = _plain(output)
    return known


def _plain(item: _Item) -> object:
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
