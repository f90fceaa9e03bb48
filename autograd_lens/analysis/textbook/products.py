"""Products of matrices, and what layers are made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autograd_lens.analysis.textbook.rule import Array, Given, Rule, sum_to

__all__ = ["PRODUCTS"]

_LEFT = "each row of the left factor met every column of the right one"
_RIGHT = "each column of the right factor met every row of the left one, so rows add up"


def _turned(array: Array) -> Array:
    return np.swapaxes(array, -1, -2)


def _beta(grad: Array, a: Given) -> Array:
    return sum_to(np.asarray(grad * a.get("beta", 1)), np.shape(a["self"]))


PRODUCTS: Mapping[str, Mapping[str, Rule]] = {
    "addmm": {
        "self": Rule(
            "sum of G over the rows",
            r"\sum_i G_i",
            "it was added to every row, so every row moves it",
            _beta,
        ),
        "mat1": Rule(
            "G @ {mat2}ᵀ",
            r"G\,{mat2}^\top",
            _LEFT,
            lambda g, a: a.get("alpha", 1) * g @ _turned(a["mat2"]),
        ),
        "mat2": Rule(
            "{mat1}ᵀ @ G",
            r"{mat1}^\top G",
            _RIGHT,
            lambda g, a: a.get("alpha", 1) * _turned(a["mat1"]) @ g,
        ),
    },
    "bmm": {
        "self": Rule("G @ {mat2}ᵀ", r"G\,{mat2}^\top", _LEFT, lambda g, a: g @ _turned(a["mat2"])),
        "mat2": Rule("{self}ᵀ @ G", r"{self}^\top G", _RIGHT, lambda g, a: _turned(a["self"]) @ g),
    },
    "dot": {
        "self": Rule(
            "G · {tensor}",
            r"G\,{tensor}",
            "a factor counts as much as the other one is large",
            lambda g, a: g * a["tensor"],
        ),
        "tensor": Rule(
            "G · {self}",
            r"G\,{self}",
            "a factor counts as much as the other one is large",
            lambda g, a: g * a["self"],
        ),
    },
    "mm": {
        "self": Rule("G @ {mat2}ᵀ", r"G\,{mat2}^\top", _LEFT, lambda g, a: g @ a["mat2"].T),
        "mat2": Rule("{self}ᵀ @ G", r"{self}^\top G", _RIGHT, lambda g, a: a["self"].T @ g),
    },
    "mv": {
        "self": Rule(
            "outer product of G and {vec}",
            r"G\,{vec}^\top",
            _LEFT,
            lambda g, a: np.outer(g, a["vec"]),
        ),
        "vec": Rule("{self}ᵀ @ G", r"{self}^\top G", _RIGHT, lambda g, a: a["self"].T @ g),
    },
}
