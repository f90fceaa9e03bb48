"""Operators that move elements, repeat them, or add them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograd_lens.analysis.textbook.rule import Array, Compute, Given, Rule, sum_to

__all__ = ["SHAPES"]

_MOVED = "elements only changed places, so their gradients go back to them"


def _one(text: str, latex: str, why: str, compute: Compute) -> dict[str, Rule]:
    return {"self": Rule(text, latex, why, compute)}


def _reshaped(grad: Array, a: Given) -> Array:
    return np.reshape(grad, np.shape(a["self"]))


def _axes(a: Given) -> tuple[int, ...]:
    """The axes that were reduced."""
    rank, dim = np.ndim(a["self"]), a.get("dim")
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(rank))
    return tuple(axis % rank for axis in (dim if isinstance(dim, Sequence) else (dim,)))


def _spread(values: Any, a: Given) -> Array:  # noqa: ANN401  array or NumPy scalar
    """What a reduction left, back over the axes that it took away."""
    kept = np.asarray(values)
    if not a.get("keepdim"):
        kept = np.expand_dims(kept, _axes(a)) if np.ndim(a["self"]) else kept
    return np.broadcast_to(kept, np.shape(a["self"]))


def _mean(grad: Array, a: Given) -> Array:
    count = np.prod([np.shape(a["self"])[axis] for axis in _axes(a)])
    return np.asarray(_spread(grad, a) / count)


def _largest(grad: Array, a: Given) -> Array:
    """To each maximum its share; ``max.dim`` names the one it chose."""
    chosen = a.get("result1")
    if chosen is not None:
        axis = _axes(a)[0]
        places = chosen if a.get("keepdim") else np.expand_dims(chosen, axis)
        spread = np.zeros(np.shape(a["self"]))
        values = grad if a.get("keepdim") else np.expand_dims(grad, axis)
        np.put_along_axis(spread, places.astype(np.intp), values, axis)
        return spread
    hit = a["self"] == _spread(a["result"], a)
    count = hit.sum(axis=_axes(a), keepdims=True)
    return np.asarray(hit * _spread(grad, a) / count)


def _piece(a: Given) -> tuple[Any, ...]:
    """The index that a select or slice stands for."""
    axis: int = a.get("dim", 0) % np.ndim(a["self"])
    if "index" in a:
        return (slice(None),) * axis + (a["index"],)
    return (slice(None),) * axis + (slice(a.get("start"), a.get("end"), a.get("step", 1)),)


def _put_back(grad: Array, a: Given) -> Array:
    whole = np.zeros(np.shape(a["self"]))
    whole[_piece(a)] = grad
    return whole


def _scattered(grad: Array, a: Given) -> Array:
    whole = np.zeros(np.shape(a["self"]))
    places: Any = tuple(
        slice(None) if item is None else np.asarray(item).astype(np.intp) for item in a["indices"]
    )
    np.add.at(whole, places, grad)
    return whole


def _gathered(grad: Array, a: Given) -> Array:
    """Rows of an embedding that were looked up get what their copies got."""
    table = np.zeros(np.shape(a["weight"]))
    indices = a["indices"].astype(np.intp)
    np.add.at(table, indices.ravel(), grad.reshape(indices.size, -1))
    if (padding := a.get("padding_idx", -1)) >= 0:
        table[padding] = 0
    return table


def _transposed(grad: Array, a: Given) -> Array:
    if "dims" in a:
        return np.transpose(grad, np.argsort([axis % grad.ndim for axis in a["dims"]]))
    return np.swapaxes(grad, a.get("dim0", -1), a.get("dim1", -2)) if grad.ndim > 1 else grad


def _cut(grad: Array, a: Given) -> Array:
    """The part of a concatenation that came from one of its tensors."""
    axis, place = a.get("dim", 0), a["position"]
    start = sum(np.shape(each)[axis] for each in a["tensors"][:place])
    size = np.shape(a["tensors"][place])[axis]
    return np.take(grad, range(start, start + size), axis)


_PART = "a part of G is the gradient of the tensor that it came from"

_VIEW = _one("G in the shape of {self}", r"\operatorname{reshape}(G)", _MOVED, _reshaped)
_MAX = _one(
    "G at the largest element, else 0",
    r"G \odot [{self} = \max {self}]",
    "only the largest element moves the result",
    _largest,
)
_PIECE = _one(
    "G at its place, else 0",
    r"\operatorname{pad}(G)",
    "what was left out does not move the result",
    _put_back,
)
_TURN = _one("Gᵀ", r"G^\top", _MOVED, _transposed)

SHAPES: Mapping[str, Mapping[str, Rule]] = {
    "_reshape_alias": _VIEW,
    "_unsafe_view": _VIEW,
    "amax": _MAX,
    "cat": {"tensors": Rule("the part of G that came from it", r"G_{\text{part}}", _PART, _cut)},
    "embedding": {
        "weight": Rule(
            "G added up at the rows of {indices}",
            r"\sum_{k:\,{indices}_k = r} G_k",
            "a row that was looked up often is moved by each look",
            _gathered,
        )
    },
    "expand": _one(
        "G summed over the copies",
        r"\sum_{\text{copies}} G",
        "every copy moves the one it was made from",
        lambda g, a: sum_to(g, np.shape(a["self"])),
    ),
    "index": _one(
        "G added up at {indices}",
        r"\sum_{k:\,{indices}_k = r} G_k",
        "an element that was picked often is moved by each pick",
        _scattered,
    ),
    "max": _MAX,
    "mean": _one("G / {n}", r"\frac{G}{{n}}", "each of the n elements has an equal share", _mean),
    "permute": _TURN,
    "select": _PIECE,
    "slice": _PIECE,
    "squeeze": _VIEW,
    "stack": {
        "tensors": Rule(
            "the layer of G that it became",
            r"G_{\text{layer}}",
            _PART,
            lambda g, a: np.take(g, a["position"], a.get("dim", 0)),
        )
    },
    "sum": _one(
        "G for each element",
        r"G\,\mathbf{1}",
        "each element counts once",
        _spread,
    ),
    "t": _TURN,
    "transpose": _TURN,
    "unsqueeze": _VIEW,
    "view": _VIEW,
}
