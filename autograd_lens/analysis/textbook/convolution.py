"""Gradients of convolution and pooling, window by window.

Axis letters: n batch, c input channels, o output channels; any number of places behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from autograd_lens.analysis.textbook.rule import Array, Given

__all__ = ["bias_gradient", "input_gradient", "pooled_gradient", "weight_gradient"]

_Window = tuple[slice, ...]


def _spread(setting: Any, rank: int) -> tuple[int, ...]:  # noqa: ANN401  a number or several
    """A stride, padding or dilation for each axis; one number stands for all."""
    numbers: tuple[int, ...] = tuple(setting) if isinstance(setting, list | tuple) else (setting,)
    return numbers if len(numbers) == rank else numbers * rank


def _windows(grad: Array, a: Given) -> Iterator[tuple[tuple[int, ...], _Window]]:
    """Each place in the kernel, with the part of the padded input that it met."""
    if a.get("transposed"):
        raise KeyError("transposed")  # noqa: EM101  no textbook formula is offered for it
    rank = grad.ndim - 2
    strides, dilations = (_spread(a[name], rank) for name in ("stride", "dilation"))
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
    return [(0, 0), (0, 0), *((pad, pad) for pad in _spread(a["padding"], grad.ndim - 2))]


def _groups(a: Given) -> Iterator[tuple[slice, slice]]:
    """Input and output channels of each group."""
    groups = a.get("groups", 1)
    channels, outputs = np.shape(a["input"])[1] // groups, len(a["weight"]) // groups
    for group in range(groups):
        yield (
            slice(group * channels, (group + 1) * channels),
            slice(group * outputs, (group + 1) * outputs),
        )


def input_gradient(grad: Array, a: Given) -> Array:
    """Of the input: (n, c, *places)."""
    pads = _padding(grad, a)
    sizes = zip(a["input"].shape, pads, strict=True)
    x: Array = np.zeros([size + sum(pad) for size, pad in sizes])
    for place, window in _windows(grad, a):
        for inside, outside in _groups(a):
            kernel = a["weight"][(outside, slice(None), *place)]
            x[(slice(None), inside, *window)] += np.einsum(
                "no...,oc->nc...", grad[:, outside], kernel
            )
    return x[tuple(slice(low, x.shape[axis] - low) for axis, (low, _) in enumerate(pads))]


def weight_gradient(grad: Array, a: Given) -> Array:
    """Of the kernel: (o, c, *kernel)."""
    x = np.pad(a["input"], _padding(grad, a))
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


def bias_gradient(grad: Array, a: Given) -> Array:  # noqa: ARG001  every rule is given both
    """Of the bias: (o,)."""
    return np.asarray(grad.sum(axis=(0, *range(2, grad.ndim))))


def pooled_gradient(grad: Array, a: Given) -> Array:
    """Of the input of a max pooling, by the places that the forward noted."""
    x: Array = np.zeros(np.shape(a["self"]))
    flat = x.reshape(*x.shape[:-2], -1)
    places = a["result1"].astype(np.intp).reshape(*grad.shape[:-2], -1)
    for index in np.ndindex(*flat.shape[:-1]):
        np.add.at(flat[index], places[index], grad.reshape(places.shape)[index])
    return x
