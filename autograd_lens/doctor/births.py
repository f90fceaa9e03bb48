"""The kernel of a full step that made the first NaN or Inf out of finite numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Argument, Constant, Kernel, Source, Step, TensorUse
from autograd_lens.trace.values import Value

__all__ = ["Birth", "first_birth"]

_UNDEFINED = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
_MASKS = frozenset({"full", "full_like", "masked_fill", "masked_fill_", "fill_", "scalar_tensor"})


@dataclass(frozen=True, slots=True)
class Birth:
    """Where finite numbers became NaN or infinite.

    Attributes:
        kernel: The kernel.
        output: Its result.
        word: ``"NaN"`` or ``"Inf"``.
        count: How many elements, in words.
        node_name: The node that ran it in backward, else ``""``.
        source: The line of the forward that made the node, or the kernel's own.
        masked: Whether ``where`` had hidden the elements in the forward.
        after: The kernel that made the first NaN of an Inf, where it was another one.
    """

    kernel: Kernel
    output: TensorUse
    word: str
    count: str
    node_name: str
    source: Source | None
    masked: bool
    after: tuple[str, ...]


def first_birth(step: Step) -> Birth | None:
    """The first kernel with finite inputs and a NaN or Inf among its results.

    An Inf counts only where a NaN or the loss followed from it: masks are full of them.
    """
    births = [one for kernel in step.kernels if (one := _birth(step, kernel))]
    if not _loss_is_lost(step):  # what the forward made did not reach the loss
        later = [one for one in births if one.kernel.phase != "forward"]
        if later or _first_nan(step) is None:
            return later[0] if later else None
    return births[0] if births else None


def _loss_is_lost(step: Step) -> bool:
    return step.loss is not None and not np.isfinite(step.loss)


def _first_nan(step: Step) -> Kernel | None:
    return next((k for k in step.kernels if any(_counts(o.value)[0] for o in k.outputs)), None)


def _birth(step: Step, kernel: Kernel) -> Birth | None:
    name = operator_name(kernel)
    if name in _UNDEFINED or name in _MASKS or _given_infinity(kernel.inputs):
        return None
    if any(sum(_counts(use.value)) for use in tensors(kernel.inputs)):
        return None
    for output in kernel.outputs:
        nans, infinities = _counts(output.value)
        if nans or infinities:
            return _describe(step, kernel, output, nans, infinities)
    return None


def _describe(step: Step, kernel: Kernel, output: TensorUse, nans: int, infinities: int) -> Birth:
    node, source = _node_of(step, kernel)
    count = nans or infinities
    word = "NaN" if nans else "Inf"
    later = None if nans else _first_nan(step)
    return Birth(
        kernel=kernel,
        output=output,
        word=word,
        count="all" if output.value and count == output.value.numel > 1 else f"{count:,}",
        node_name=node,
        source=source or kernel.source,
        masked=_masked(step),
        after=(f"kernel {later.index} {later.op}",) if later else (),
    )


def _node_of(step: Step, kernel: Kernel) -> tuple[str, Source | None]:
    """The name of the node that ran a kernel of the backward, and its line in the forward."""
    if kernel.phase != "backward" or kernel.node is None:
        return "", None
    graph = step.backwards[kernel.backward].graph
    if graph is None:
        return "", None
    node = graph.nodes[kernel.node]
    forward = node.forward_kernel
    return node.name, step.kernels[forward].source if forward is not None else None


def _masked(step: Step) -> bool:
    """Whether ``where`` hid a NaN or Inf in the forward of a step whose loss is finite."""
    return not _loss_is_lost(step) and any(
        operator_name(one) == "where"
        and any(sum(_counts(use.value)) for use in tensors(one.inputs))
        and not any(sum(_counts(result.value)) for result in one.outputs)
        for one in step.kernels
        if one.phase == "forward"
    )


def _given_infinity(arguments: tuple[Argument, ...]) -> bool:
    """Whether the program itself passed an infinite number."""
    return any(
        isinstance(one.value, Constant)
        and isinstance(one.value.value, float)
        and not np.isfinite(one.value.value)
        for one in arguments
    )


def _counts(value: Value | None) -> tuple[int, int]:
    """How many elements are NaN, and how many infinite."""
    if value is None:
        return 0, 0
    if value.data is None:
        summary = value.summary
        return (summary.nan_count or 0, summary.inf_count or 0) if summary else (0, 0)
    try:
        array = value.array
    except (TypeError, ValueError):
        return 0, 0
    if array.dtype.kind not in "fc":
        return 0, 0
    return int(np.isnan(array).sum()), int(np.isinf(array).sum())
