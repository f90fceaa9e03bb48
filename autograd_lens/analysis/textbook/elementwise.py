"""Operators that treat each element alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_lens.analysis.textbook.rule import Array, Compute, Given, Rule

__all__ = ["ELEMENTWISE"]

_SLOPE = "the slope of the function at each element, times what arrives"


def _rule(text: str, latex: str, why: str, compute: Compute) -> Rule:
    return Rule(text, latex, why, compute, elementwise=True)


def _slope(text: str, latex: str, compute: Compute, why: str = _SLOPE) -> dict[str, Rule]:
    return {"self": _rule(text, latex, why, compute)}


def _passed(grad: Array, a: Given) -> Array:  # noqa: ARG001  every rule is given both
    return grad


def _turned(grad: Array, a: Given) -> Array:  # noqa: ARG001  every rule is given both
    return -grad


def _normal(x: Array) -> Array:
    """The cumulative normal distribution."""
    return np.asarray(0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))))


def _gelu(grad: Array, a: Given) -> Array:
    x = a["self"]
    if a.get("approximate", "none") == "tanh":
        k = math.sqrt(2 / math.pi)
        inner = np.tanh(k * (x + 0.044715 * x**3))
        slope = k * (1 + 3 * 0.044715 * x**2) * (1 - inner**2)
        return np.asarray(grad * (0.5 * (1 + inner) + 0.5 * x * slope))
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(grad * (_normal(x) + x * density))


def _inside(a: Given) -> Any:  # noqa: ANN401  array of booleans, or True without bounds
    x, low, high = a["self"], a.get("min"), a.get("max")
    return (True if low is None else x >= low) & (True if high is None else x <= high)


def _share(grad: Array, a: Given, sign: int) -> Array:
    """Of a maximum: all to the larger one, half to each where both are equal."""
    difference = sign * (a["self"] - a["other"])
    return np.asarray(grad * np.where(difference == 0, 0.5, difference > 0))


ELEMENTWISE: Mapping[str, Mapping[str, Rule]] = {
    "abs": _slope(
        "G · sign({self})",
        r"G \odot \operatorname{sign}({self})",
        lambda g, a: g * np.sign(a["self"]),
    ),
    "add": {
        "self": _rule("G", "G", "adding passes a change on as it is", _passed),
        "other": _rule(
            "G · {alpha}",
            r"G \cdot {alpha}",
            "adding passes a change on as it is",
            lambda g, a: g * a.get("alpha", 1),
        ),
    },
    "clamp": _slope(
        "G where {self} is within bounds, else 0",
        r"G \odot [\text{min} \le {self} \le \text{max}]",
        lambda g, a: g * _inside(a),
        "what is cut off does not move with its input",
    ),
    "clone": _slope("G", "G", _passed, "a copy is what it copies"),
    "cos": _slope("-G · sin({self})", r"-G \odot \sin {self}", lambda g, a: -g * np.sin(a["self"])),
    "div": {
        "self": _rule(
            "G / {other}",
            r"\frac{G}{{other}}",
            "dividing scales a change as well",
            lambda g, a: g / a["other"],
        ),
        "other": _rule(
            "-G · {self} / {other}²",
            r"-\frac{G \odot {self}}{{other}^2}",
            "a larger divisor makes the quotient smaller",
            lambda g, a: -g * a["self"] / a["other"] ** 2,
        ),
    },
    "exp": _slope(
        "G · {result}",
        r"G \odot {result}",
        lambda g, a: g * a["result"],
        "exp is its own derivative",
    ),
    "gelu": _slope(
        "G · (Φ({self}) + {self} · φ({self}))",
        r"G \odot (\Phi({self}) + {self} \odot \varphi({self}))",
        _gelu,
    ),
    "leaky_relu": _slope(
        "G where {self} > 0, else {negative_slope} · G",
        r"G \odot [{self} > 0] + {negative_slope}\,G \odot [{self} \le 0]",
        lambda g, a: g * np.where(a["self"] > 0, 1, a.get("negative_slope", 0.01)),
    ),
    "log": _slope("G / {self}", r"\frac{G}{{self}}", lambda g, a: g / a["self"]),
    "maximum": {
        "self": _rule(
            "G where {self} > {other}",
            r"G \odot [{self} > {other}]",
            "only the larger one is passed on",
            lambda g, a: _share(g, a, 1),
        ),
        "other": _rule(
            "G where {other} > {self}",
            r"G \odot [{other} > {self}]",
            "only the larger one is passed on",
            lambda g, a: _share(g, a, -1),
        ),
    },
    "minimum": {
        "self": _rule(
            "G where {self} < {other}",
            r"G \odot [{self} < {other}]",
            "only the smaller one is passed on",
            lambda g, a: _share(g, a, -1),
        ),
        "other": _rule(
            "G where {other} < {self}",
            r"G \odot [{other} < {self}]",
            "only the smaller one is passed on",
            lambda g, a: _share(g, a, 1),
        ),
    },
    "mul": {
        "self": _rule(
            "G · {other}",
            r"G \odot {other}",
            "a factor counts as much as the other one is large",
            lambda g, a: g * a["other"],
        ),
        "other": _rule(
            "G · {self}",
            r"G \odot {self}",
            "a factor counts as much as the other one is large",
            lambda g, a: g * a["self"],
        ),
    },
    "neg": _slope("-G", "-G", _turned, "the sign turns"),
    "pow": {
        "self": _rule(
            "G · {exponent} · {self} ** {lower}",
            r"G \odot {exponent}\,{self}^{{lower}}",
            "the power rule",
            lambda g, a: g * a["exponent"] * a["self"] ** (a["exponent"] - 1.0),
        ),
        "exponent": _rule(
            "G · {result} · log({self})",
            r"G \odot {result} \odot \log {self}",
            "a power grows with its exponent as its logarithm says",
            lambda g, a: g * a["result"] * np.log(a["self"]),
        ),
    },
    "reciprocal": _slope(
        "-G · {result}²", r"-G \odot {result}^2", lambda g, a: -g * a["result"] ** 2
    ),
    "relu": _slope(
        "G where {self} > 0, else 0",
        r"G \odot [{self} > 0]",
        lambda g, a: g * (a["result"] > 0),
        "what was cut to zero does not move",
    ),
    "rsqrt": _slope(
        "-G · {result}³ / 2",
        r"-\tfrac12 G \odot {result}^3",
        lambda g, a: -g * a["result"] ** 3 / 2,
    ),
    "rsub": {
        "self": _rule(
            "-G · {alpha}",
            r"-G \cdot {alpha}",
            "what is taken away counts the other way round",
            lambda g, a: -g * a.get("alpha", 1),
        ),
        "other": _rule("G", "G", "subtracting passes a change on as it is", _passed),
    },
    "sigmoid": _slope(
        "G · {result} · (1 - {result})",
        r"G \odot {result} \odot (1 - {result})",
        lambda g, a: g * a["result"] * (1 - a["result"]),
    ),
    "silu": _slope(
        "G · σ({self}) · (1 + {self} · (1 - σ({self})))",
        r"G \odot \sigma({self}) \odot (1 + {self} \odot (1 - \sigma({self})))",
        lambda g, a: g * _sigmoid(a["self"]) * (1 + a["self"] * (1 - _sigmoid(a["self"]))),
    ),
    "sin": _slope("G · cos({self})", r"G \odot \cos {self}", lambda g, a: g * np.cos(a["self"])),
    "sqrt": _slope(
        "G / (2 · {result})", r"\frac{G}{2\,{result}}", lambda g, a: g / (2 * a["result"])
    ),
    "sub": {
        "self": _rule("G", "G", "subtracting passes a change on as it is", _passed),
        "other": _rule(
            "-G · {alpha}",
            r"-G \cdot {alpha}",
            "what is taken away counts the other way round",
            lambda g, a: -g * a.get("alpha", 1),
        ),
    },
    "tanh": _slope(
        "G · (1 - {result}²)", r"G \odot (1 - {result}^2)", lambda g, a: g * (1 - a["result"] ** 2)
    ),
    "where": {
        "self": _rule(
            "G where {condition}, else 0",
            r"G \odot [{condition}]",
            "only what was chosen is passed on",
            lambda g, a: g * a["condition"].astype(bool),
        ),
        "other": _rule(
            "0 where {condition}, else G",
            r"G \odot [\neg {condition}]",
            "only what was chosen is passed on",
            lambda g, a: g * ~a["condition"].astype(bool),
        ),
    },
}


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
