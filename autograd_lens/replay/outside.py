"""Values that something other than a kernel of PyTorch changed within a step.

A NumPy array that shares a tensor's memory may be written without PyTorch's knowledge. Executing
the kernels again then gives what would have been without that write: not another result of the
same step, but the result of another one. Two things show it: a tensor is read with other content
than it was last seen with, though no kernel wrote to it; or its memory was handed on by a
``detach`` whose result no kernel reads, as ``Tensor.numpy`` does.
"""

from __future__ import annotations

from autograd_lens.trace.graph import (
    TapeIndex,
    leaves_unset,
    operator_name,
    tensors,
    writes_in_place,
)
from autograd_lens.trace.records import Kernel, Step
from autograd_lens.trace.values import Value, equal

__all__ = ["changed_outside"]

_BY_OTHERS = "changed by something that is no kernel of PyTorch, as NumPy is"


def changed_outside(step: Step) -> str | None:
    """Where a tensor of a step was changed, or may have been, by no kernel; None where nowhere.

    Args:
        step: A step that was recorded in full, and is not what its tape gives.
    """
    index = TapeIndex(step)
    return _changed(index) or _handed_on(index)


def _changed(index: TapeIndex) -> str | None:
    """A tensor that is read with other content than it was last seen with."""
    seen: dict[int, tuple[Value | None, Kernel]] = {}
    for kernel in index.kernels:
        for use in tensors(kernel.inputs):
            value, last = seen.get(use.tensor, (None, kernel))
            if value is not None and use.value is not None and equal(value, use.value) is False:
                name = use.spec.name or f"what kernel {last.index} ({last.op}) left"
                reader = f"before kernel {kernel.index} read it{_at(kernel)}"
                return f"The content of {name} was {_BY_OTHERS}, {reader}"
            seen[use.tensor] = use.value, kernel
        _forget(seen, index, kernel)
        for use in kernel.outputs:
            seen[use.tensor] = None if leaves_unset(kernel) else use.value, kernel
        if not kernel.outputs:  # it may have written all that it was given
            for use in tensors(kernel.inputs):
                seen.pop(use.tensor, None)
    return None


def _forget(seen: dict[int, tuple[Value | None, Kernel]], index: TapeIndex, kernel: Kernel) -> None:
    """Tensors in memory that a kernel writes, through this name or another."""
    if not writes_in_place(kernel):
        return
    written = {index.memory(use.tensor) for use in kernel.outputs}
    for tensor in [one for one in seen if index.memory(one) in written]:
        del seen[tensor]


def _handed_on(index: TapeIndex) -> str | None:
    """A tensor that something else may hold, and that a later kernel reads."""
    uses = [
        (use.tensor, kernel.index) for kernel in index.kernels for use in tensors(kernel.inputs)
    ]
    used = {tensor for tensor, _ in uses}
    last_read = {index.memory(tensor): at for tensor, at in uses}
    for kernel in index.kernels:
        if operator_name(kernel) != "detach" or not kernel.outputs or kernel.phase == "backward":
            continue
        result, given = kernel.outputs[0], next(tensors(kernel.inputs), None)
        if (
            given is not None
            and result.tensor not in used
            and last_read.get(index.memory(given.tensor), -1) > kernel.index
        ):
            name = given.spec.name or "a tensor"
            return (
                f"The content of {name} may have been {_BY_OTHERS}: it was handed on{_at(kernel)}"
            )
    return None


def _at(kernel: Kernel) -> str:
    source = kernel.source
    return f" ({source.file.rsplit('/', 1)[-1]}, line {source.line})." if source else "."
