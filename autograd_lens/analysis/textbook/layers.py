"""What networks are built of: normalisations, losses, convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_lens.analysis.textbook.convolution import (
    bias_gradient,
    input_gradient,
    pooled_gradient,
    weight_gradient,
)
from autograd_lens.analysis.textbook.rule import Array, Given, Rule

__all__ = ["LAYERS"]

_SHARED = "all elements share one sum, so each one's gain is the others' loss"
_CENTRED = "mean and spread move with every element, so their share is taken off"


def _softmax(grad: Array, a: Given) -> Array:
    y = a["result"]
    return np.asarray(y * (grad - (grad * y).sum(axis=a["dim"], keepdims=True)))


def _log_softmax(grad: Array, a: Given) -> Array:
    return np.asarray(grad - np.exp(a["result"]) * grad.sum(axis=a["dim"], keepdims=True))


def _weights(a: Given) -> tuple[Array, Array]:
    """Targets, and the weight of each: (batch, ...)."""
    target = np.atleast_1d(a["target"]).astype(np.intp)
    kept = target != a.get("ignore_index", -100)
    weight = a.get("weight")
    each = np.ones(target.shape) if weight is None else weight[np.where(kept, target, 0)]
    return np.where(kept, target, 0), each * kept


def _nll(grad: Array, a: Given) -> Array:
    """-G at each row's target, divided by the weights' sum where losses are averaged."""
    target, weight = _weights(a)
    share = weight / weight.sum() if a.get("reduction", 1) == 1 else weight
    spread = np.zeros(np.atleast_2d(a["self"]).shape)
    np.put_along_axis(spread, target[:, None], -(grad * share)[:, None], axis=1)
    return spread.reshape(np.shape(a["self"]))


def _mse(sign: int) -> Any:  # noqa: ANN401  a Compute
    def compute(grad: Array, a: Given) -> Array:
        difference = 2 * sign * (a["self"] - a["target"])
        mean = a.get("reduction", 1) == 1
        return np.asarray(grad * difference / (np.size(difference) if mean else 1))

    return compute


def _dropout(grad: Array, a: Given) -> Array:
    keep = 1 - a["p"]
    return np.asarray(grad * a["result1"] / keep) if keep else np.zeros_like(grad)


def _centred(grad: Array, normal: Array, spread: Any, axes: tuple[int, ...]) -> Array:  # noqa: ANN401  array or number
    own = grad - grad.mean(axis=axes, keepdims=True)
    along = (grad * normal).mean(axis=axes, keepdims=True)
    return np.asarray((own - normal * along) / spread)


def _layer_normal(a: Given) -> tuple[Array, Array, tuple[int, ...]]:
    """Normalised input, its spread, the normalised axes."""
    x = a["input"]
    axes = tuple(range(x.ndim - len(a["normalized_shape"]), x.ndim))
    spread = np.sqrt(x.var(axis=axes, keepdims=True) + a["eps"])
    return (x - x.mean(axis=axes, keepdims=True)) / spread, spread, axes


def _layer_input(grad: Array, a: Given) -> Array:
    normal, spread, axes = _layer_normal(a)
    weight = a.get("weight")
    return _centred(grad if weight is None else grad * weight, normal, spread, axes)


def _layer_weight(grad: Array, a: Given) -> Array:
    normal, _, axes = _layer_normal(a)
    batch = tuple(axis for axis in range(grad.ndim) if axis not in axes)
    return np.asarray((grad * normal).sum(axis=batch))


def _layer_bias(grad: Array, a: Given) -> Array:
    rank = grad.ndim - len(a["normalized_shape"])
    return np.asarray(grad.sum(axis=tuple(range(rank))))


def _channels(vector: Any, rank: int) -> Array:  # noqa: ANN401  array
    return np.reshape(vector, (1, -1) + (1,) * (rank - 2))


def _batch_normal(a: Given) -> tuple[Array, Array, tuple[int, ...]]:
    """Normalised input, its spread, the axes that statistics were taken over."""
    x = a["input"]
    axes = (0, *range(2, x.ndim))
    if a["training"]:
        mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    else:
        mean = _channels(a["running_mean"], x.ndim)
        variance = _channels(a["running_var"], x.ndim)
    spread = np.sqrt(variance + a["eps"])
    return (x - mean) / spread, spread, axes


def _batch_input(grad: Array, a: Given) -> Array:
    normal, spread, axes = _batch_normal(a)
    weight = a.get("weight")
    scaled = grad if weight is None else grad * _channels(weight, grad.ndim)
    return _centred(scaled, normal, spread, axes) if a["training"] else scaled / spread


def _batch_weight(grad: Array, a: Given) -> Array:
    normal, _, axes = _batch_normal(a)
    return np.asarray((grad * normal).sum(axis=axes))


_BATCH_NORM = {
    "input": Rule(
        "({weight} · G - mean - x̂ · mean of G · x̂) / std",
        r"\frac{\gamma G - \overline{\gamma G} - \hat x\,\overline{\gamma G\hat x}}"
        r"{\sigma}",
        _CENTRED,
        _batch_input,
    ),
    "weight": Rule(
        "sum of G · x̂ over the batch",
        r"\sum G \odot \hat x",
        "it scaled the normalised input of every example",
        _batch_weight,
    ),
    "bias": Rule(
        "sum of G over the batch",
        r"\sum G",
        "it was added to every example",
        bias_gradient,
    ),
}

LAYERS: Mapping[str, Mapping[str, Rule]] = {
    "_log_softmax": {
        "self": Rule(
            "G - softmax · sum of G",
            r"G - \operatorname{softmax}({self}) \sum G",
            _SHARED,
            _log_softmax,
        )
    },
    "_native_batch_norm_legit": _BATCH_NORM,
    "_softmax": {
        "self": Rule(
            "{result} · (G - sum of G · {result})",
            r"{result} \odot (G - \sum G \odot {result})",
            _SHARED,
            _softmax,
        )
    },
    "convolution": {
        "input": Rule(
            "G slid back over {weight}",
            r"G \star {weight}^{\text{flipped}}",
            "each pixel moved every output that its window touched",
            input_gradient,
        ),
        "weight": Rule(
            "sum over batch and places of input · G",
            r"{input} \star G",
            "one kernel met every window, so all windows add up",
            weight_gradient,
        ),
        "bias": Rule(
            "sum of G over batch and places",
            r"\sum G",
            "it was added at every place",
            bias_gradient,
        ),
    },
    "max_pool2d_with_indices": {
        "self": Rule(
            "G at each window's largest element, else 0",
            r"G \text{ at } \arg\max",
            "only the largest element of a window was passed on",
            pooled_gradient,
        )
    },
    "mse_loss": {
        "self": Rule(
            "G · 2 · ({self} - {target}) / {n}",
            r"\frac{2G}{{n}}({self} - {target})",
            "the slope of a square is twice its side",
            _mse(1),
        ),
        "target": Rule(
            "-G · 2 · ({self} - {target}) / {n}",
            r"-\frac{2G}{{n}}({self} - {target})",
            "the slope of a square is twice its side",
            _mse(-1),
        ),
    },
    "native_batch_norm": _BATCH_NORM,
    "native_dropout": {
        "input": Rule(
            "G · mask / (1 - {p})",
            r"\frac{G \odot m}{1 - {p}}",
            "what was dropped does not move; the rest was scaled up",
            _dropout,
        )
    },
    "native_layer_norm": {
        "input": Rule(
            "({weight} · G - mean - x̂ · mean of G · x̂) / std",
            r"\frac{\gamma G - \overline{\gamma G} - \hat x\,\overline{\gamma G\hat x}}"
            r"{\sigma}",
            _CENTRED,
            _layer_input,
        ),
        "weight": Rule(
            "sum of G · x̂ over the batch",
            r"\sum G \odot \hat x",
            "it scaled the normalised input of every example",
            _layer_weight,
        ),
        "bias": Rule(
            "sum of G over the batch", r"\sum G", "it was added to every example", _layer_bias
        ),
    },
    "nll_loss_forward": {
        "self": Rule(
            "-G / n at each row's target, else 0",
            r"-\tfrac{G}{n}\,[\,j = {target}_i\,]",
            "only the target's log-probability enters the loss",
            _nll,
        )
    },
}
