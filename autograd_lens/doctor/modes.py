"""Layers that compute otherwise in training and in evaluation mode."""

from __future__ import annotations

from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, Kernel, Step

__all__ = ["training_kernel"]

_DROPOUT = frozenset({"bernoulli", "bernoulli_", "native_dropout"})


def training_kernel(step: Step) -> Kernel | None:
    """A kernel that runs in training mode alone: of dropout, or with a batch's statistics."""
    return next((kernel for kernel in step.kernels if _trains(kernel)), None)


def _trains(kernel: Kernel) -> bool:
    if kernel.phase != "forward" or kernel.module == "":
        return False
    name = operator_name(kernel)
    flags = [one.value.value for one in kernel.inputs if isinstance(one.value, Constant)]
    return name in _DROPOUT or ("batch_norm" in name and True in flags[:1])
