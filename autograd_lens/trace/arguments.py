"""What a kernel was given, as far as a reader wants to hear of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from autograd_lens.trace.records import Argument, Constant, Kernel, TensorUse

__all__ = ["is_spoken", "operator_name", "tensors"]

# Names and kinds of arguments that say nothing about the mathematics.
_UNSPOKEN = frozenset(
    {"device", "dtype", "generator", "layout", "memory_format", "opaque", "out", "pin_memory"}
)


def operator_name(kernel: Kernel) -> str:
    """The operator without namespace and overload: ``"mm"`` for ``"aten.mm.default"``."""
    return kernel.op.split(".")[1] if "." in kernel.op else kernel.op


def is_spoken(argument: Argument) -> bool:
    """Whether an argument belongs into an expression; None and empty lists do not."""
    if argument.name in _UNSPOKEN or argument.value == ():
        return False
    if isinstance(argument.value, Constant):
        return argument.value.kind not in _UNSPOKEN and argument.value.value is not None
    return True


def tensors(arguments: Iterable[Argument]) -> Iterator[TensorUse]:
    """All tensors among the arguments, those in lists too."""
    for argument in arguments:
        items = argument.value if isinstance(argument.value, tuple) else (argument.value,)
        yield from (item for item in items if isinstance(item, TensorUse))
