"""Gradients that need more than arithmetic, in NumPy: what the textbook's named functions compute.

Each is given all arguments of the forward operator by their schema name, and what its formula
hands it. Axis letters: n batch, c input channels, o output channels; any number of places behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from autograd_lens.trace.values import Array

__all__ = [
    "Given",
    "at_target",
    "average",
    "correlated",
    "cut",
    "density",
    "deviation",
    "gathered",
    "largest",
    "layer",
    "normal",
    "normalised",
    "outer",
    "over_batch",
    "over_places",
    "over_rows",
    "pooled",
    "put_back",
    "reshaped",
    "scale",
    "scattered",
    "share",
    "sigmoid",
    "slid_back",
    "spread",
    "sum_to",
    "total",
    "turned",
    "weights",
]

Given = Mapping[str, Any]
"""Arguments by their schema name, arrays or constants; ``result``, ``result1``, ... beside."""

_Window = tuple[slice, ...]


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Undo a broadcast: sum over the axes along which an input of ``shape`` was repeated."""
    extra = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(extra)))
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and summed.shape[axis] != 1)
    return summed.sum(axis=axes, keepdims=True) if axes else np.broadcast_to(summed, shape)


# --- functions of one element --------------------------------------------------------------


def sigmoid(_: Given, x: Array) -> Array:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-x)))


def normal(_: Given, x: Array, approximate: str) -> Array:
    """The cumulative normal distribution, or the approximation of it that GELU was asked for."""
    if approximate == "tanh":
        return np.asarray(0.5 * (1 + _bent(x)))
    return np.asarray(0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))))


def density(_: Given, x: Array, approximate: str) -> Array:
    """The derivative of ``normal``."""
    if approximate == "tanh":
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return np.asarray(0.5 * slope * (1 - _bent(x) ** 2))
    return np.asarray(np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


def _bent(x: Array) -> Array:
    return np.asarray(np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def share(_: Given, grad: Array, one: Array, other: Array) -> Array:
    """Of a maximum: all to the larger one, half to each where both are equal."""
    return np.asarray(grad * np.where(one == other, 0.5, one > other))


# --- elements moved, repeated, added up ----------------------------------------------------


def reshaped(_: Given, grad: Array, like: Array) -> Array:
    """The gradient in the shape of the input."""
    return np.reshape(grad, np.shape(like))


def _axes(a: Given) -> tuple[int, ...]:
    """The axes that were reduced."""
    rank, dim = np.ndim(a["self"]), a["dim"]
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(rank))
    return tuple(axis % rank for axis in (dim if isinstance(dim, Sequence) else (dim,)))


def spread(a: Given, values: Array) -> Array:
    """What a reduction left, back over the axes that it took away."""
    kept = np.asarray(values)
    if not a["keepdim"]:
        kept = np.expand_dims(kept, _axes(a)) if np.ndim(a["self"]) else kept
    return np.broadcast_to(kept, np.shape(a["self"]))


def largest(a: Given, grad: Array, whole: Array) -> Array:
    """To each maximum its share; ``max.dim`` names the one it chose."""
    chosen = a.get("result1")
    if chosen is None:
        hit = whole == spread(a, a["result"])
        return np.asarray(hit * spread(a, grad) / hit.sum(axis=_axes(a), keepdims=True))
    axis = _axes(a)[0]
    places = chosen if a["keepdim"] else np.expand_dims(chosen, axis)
    found = np.zeros(np.shape(whole))
    values = grad if a["keepdim"] else np.expand_dims(grad, axis)
    np.put_along_axis(found, places.astype(np.intp), values, axis)
    return found


def put_back(a: Given, grad: Array) -> Array:
    """The gradient at the place that a select or slice stands for, else 0."""
    axis: int = a.get("dim", 0) % np.ndim(a["self"])
    piece = a["index"] if "index" in a else slice(a.get("start"), a.get("end"), a.get("step", 1))
    whole = np.zeros(np.shape(a["self"]))
    whole[(slice(None),) * axis + (piece,)] = grad
    return whole


def scattered(a: Given, grad: Array, indices: Sequence[Array | None]) -> Array:
    """The gradient added up at the elements that were picked."""
    whole = np.zeros(np.shape(a["self"]))
    places: Any = tuple(
        slice(None) if item is None else np.asarray(item).astype(np.intp) for item in indices
    )
    np.add.at(whole, places, grad)
    return whole


def gathered(a: Given, grad: Array, indices: Array) -> Array:
    """Rows of an embedding that were looked up get what their copies got."""
    table = np.zeros(np.shape(a["weight"]))
    np.add.at(table, indices.astype(np.intp).ravel(), grad.reshape(indices.size, -1))
    if (padding := a.get("padding_idx", -1)) >= 0:
        table[padding] = 0
    return table


def turned(a: Given, grad: Array) -> Array:
    """Axes back where they were."""
    if "dims" in a:
        return np.transpose(grad, np.argsort([axis % grad.ndim for axis in a["dims"]]))
    return np.swapaxes(grad, a.get("dim0", -1), a.get("dim1", -2)) if grad.ndim > 1 else grad


def cut(a: Given, grad: Array) -> Array:
    """The part of a concatenation that came from one of its tensors."""
    axis, place = a.get("dim", 0), a["position"]
    start = sum(np.shape(each)[axis] for each in a["tensors"][:place])
    size = np.shape(a["tensors"][place])[axis]
    return np.take(grad, range(start, start + size), axis)


def layer(a: Given, grad: Array) -> Array:
    """The layer of a stack that one of its tensors became."""
    return np.asarray(np.take(grad, a["position"], a.get("dim", 0)))


def over_rows(a: Given, grad: Array) -> Array:
    """The sum over what the input was repeated along."""
    return sum_to(np.asarray(grad), np.shape(a["self"]))


def outer(_: Given, grad: Array, vector: Array) -> Array:
    """Each element of one times each of the other."""
    return np.outer(grad, vector)


# --- softmax, losses, normalisation --------------------------------------------------------


def total(a: Given, values: Array) -> Array:
    """The sum along the axis of a softmax."""
    return np.asarray(values.sum(axis=a["dim"], keepdims=True))


def weights(a: Given) -> float:
    """What averaged losses are divided by: their number, or the sum of their weights."""
    return float(_target_weights(a)[1].sum())


def _target_weights(a: Given) -> tuple[Array, Array]:
    """Targets, and the weight of each: (batch, ...)."""
    target = np.atleast_1d(a["target"]).astype(np.intp)
    kept = target != a["ignore_index"]
    shown = np.where(kept, target, 0)
    each = np.ones(target.shape) if np.ndim(a["weight"]) == 0 else a["weight"][shown]
    return shown, each * kept


def at_target(a: Given, grad: Array, _: Array) -> Array:
    """The gradient at each row's target, times the weight of its class."""
    target, weight = _target_weights(a)
    whole = np.zeros(np.atleast_2d(a["self"]).shape)
    np.put_along_axis(whole, target[:, None], (grad * weight)[:, None], axis=1)
    return whole.reshape(np.shape(a["self"]))


def _normalised_axes(a: Given) -> tuple[int, ...]:
    """The axes that mean and variance were taken over: of a layer, or of a batch."""
    rank = np.ndim(a["input"])
    if "normalized_shape" in a:
        return tuple(range(rank - len(a["normalized_shape"]), rank))
    return (0, *range(2, rank))


def _channels(a: Given, vector: Array) -> Array:
    return np.reshape(vector, (1, -1) + (1,) * (np.ndim(a["input"]) - 2))


def scale(a: Given, weight: Array) -> Array:
    """The weight of a normalisation beside its input."""
    return weight if "normalized_shape" in a or np.ndim(weight) == 0 else _channels(a, weight)


def average(a: Given, values: Array) -> Array:
    """The mean over what was normalised together."""
    return np.asarray(values.mean(axis=_normalised_axes(a), keepdims=True))


def deviation(a: Given, x: Array) -> Array:
    """The square root of the variance that a normalisation divided by."""
    running = not a.get("training", True)
    variance = (
        _channels(a, a["running_var"])
        if running
        else x.var(axis=_normalised_axes(a), keepdims=True)
    )
    return np.asarray(np.sqrt(variance + a["eps"]))


def normalised(a: Given, x: Array) -> Array:
    """The input of a normalisation, mean taken off and divided by its spread."""
    running = not a.get("training", True)
    mean = _channels(a, a["running_mean"]) if running else average(a, x)
    return np.asarray((x - mean) / deviation(a, x))


def over_batch(a: Given, values: Array) -> Array:
    """The sum over all that a parameter of a normalisation was used for."""
    axes = _normalised_axes(a)
    if "normalized_shape" in a:
        axes = tuple(axis for axis in range(values.ndim) if axis not in axes)
    return np.asarray(values.sum(axis=axes))


# --- convolution and pooling, window by window ---------------------------------------------


def _each(setting: Any, rank: int) -> tuple[int, ...]:  # noqa: ANN401  a number or several
    """A stride, padding or dilation for each axis; one number stands for all."""
    numbers: tuple[int, ...] = tuple(setting) if isinstance(setting, list | tuple) else (setting,)
    return numbers if len(numbers) == rank else numbers * rank


def _windows(grad: Array, a: Given) -> Iterator[tuple[tuple[int, ...], _Window]]:
    """Each place in the kernel, with the part of the padded input that it met."""
    if a.get("transposed"):
        msg = "transposed"  # no textbook formula is offered for it
        raise KeyError(msg)
    rank = grad.ndim - 2
    strides, dilations = (_each(a[name], rank) for name in ("stride", "dilation"))
    for place in product(*(range(size) for size in np.shape(a["weight"])[2:])):
        yield (
            place,
            tuple(
                slice(at * dilation, at * dilation + stride * (size - 1) + 1, stride)
                for at, dilation, stride, size in zip(
                    place, dilations, strides, grad.shape[2:], strict=True
                )
            ),
        )


def _padding(grad: Array, a: Given) -> list[tuple[int, int]]:
    return [(0, 0), (0, 0), *((pad, pad) for pad in _each(a["padding"], grad.ndim - 2))]


def _groups(a: Given) -> Iterator[tuple[slice, slice]]:
    """Input and output channels of each group."""
    groups = a.get("groups", 1)
    channels, outputs = np.shape(a["input"])[1] // groups, len(a["weight"]) // groups
    for group in range(groups):
        yield (
            slice(group * channels, (group + 1) * channels),
            slice(group * outputs, (group + 1) * outputs),
        )


def slid_back(a: Given, grad: Array, weight: Array) -> Array:
    """Of a convolution's input: (n, c, *places)."""
    pads = _padding(grad, a)
    sizes = zip(a["input"].shape, pads, strict=True)
    x: Array = np.zeros([size + sum(pad) for size, pad in sizes])
    for place, window in _windows(grad, a):
        for inside, outside in _groups(a):
            at: Any = (outside, slice(None), *place)
            x[(slice(None), inside, *window)] += np.einsum(
                "no...,oc->nc...", grad[:, outside], weight[at]
            )
    return x[tuple(slice(low, x.shape[axis] - low) for axis, (low, _) in enumerate(pads))]


def correlated(a: Given, grad: Array, image: Array) -> Array:
    """Of a convolution's kernel: (o, c, *kernel)."""
    x = np.pad(image, _padding(grad, a))
    weight: Array = np.zeros(np.shape(a["weight"]))
    for place, window in _windows(grad, a):
        for inside, outside in _groups(a):
            met = x[(slice(None), inside, *window)]
            pairs = _flat(grad[:, outside]), _flat(met)
            kernel: Any = (outside, slice(None), *place)
            weight[kernel] = np.einsum("nop,ncp->oc", *pairs)
    return weight


def _flat(array: Array) -> Array:
    """All places in one axis."""
    return array.reshape(*array.shape[:2], -1)


def over_places(_: Given, grad: Array) -> Array:
    """Of a convolution's bias: (o,)."""
    return np.asarray(grad.sum(axis=(0, *range(2, grad.ndim))))


def pooled(a: Given, grad: Array) -> Array:
    """Of the input of a max pooling, by the places that the forward noted."""
    x: Array = np.zeros(np.shape(a["self"]))
    flat = x.reshape(*x.shape[:-2], -1)
    places = a["result1"].astype(np.intp).reshape(*grad.shape[:-2], -1)
    for index in np.ndindex(*flat.shape[:-1]):
        np.add.at(flat[index], places[index], grad.reshape(places.shape)[index])
    return x
