"""How much memory executing a tape may take.

NOTE 1 [A tape from a stranger]: a few bytes of a file can ask for ``zeros`` of a terabyte, and
what an operator allocates may depend on values, so that looking at its arguments does not tell.
The system is asked to refuse instead: what a step needs follows from the sizes on its tape, and
the process gets that, with much to spare, for as long as the step is executed. Torch then raises
an error that names the operator. Where the system cannot do that (not Linux), nothing is limited.

NOTE 2 [Most tapes need none]: where all sizes on a tape, multiplied, are small, no kernel can
make anything large, and nothing is asked for.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Sequence

from autograd_lens.replay.values import to_dtype
from autograd_lens.trace.records import TensorSpec
from autograd_lens.trace.tape import Arg, ArgList, Const, TapeKernel, TensorSlot, numbers_in

if sys.platform == "linux":
    import resource

__all__ = ["allowance", "is_tame", "memory_of_at_most"]

_TAME = 1 << 24  # elements
_SPARE = 1 << 30  # bytes: threads, caches, the graph itself
_TIMES = 6  # gradients, saved tensors and temporaries beside each tensor
_BY_VALUE = frozenset({"aten.bincount.default", "aten.repeat_interleave.Tensor"})
_DATA = 5  # field of /proc/self/statm: pages of data


def is_tame(kernel: TapeKernel, specs: Sequence[TensorSpec]) -> bool:
    """Whether a kernel cannot make anything large, whatever it does (NOTE 2)."""
    if kernel.op in _BY_VALUE:
        return False
    args = [argument.value for argument in kernel.args]
    if not kernel.reads and any(numbers_in(*args)):
        return False
    return math.prod(_size(arg, specs) for arg in args) <= _TAME


def _size(arg: Arg, specs: Sequence[TensorSpec]) -> float:
    """By what an argument can multiply the size of a result, at most."""
    match arg:
        case TensorSlot(tensor=number):
            return max(math.prod(specs[number].shape), 1)
        case ArgList(items=items):
            return math.prod(_size(item, specs) for item in items)
        case Const(value=int() | float() as value):
            return max(abs(value), 1)
        case _:
            return 1


def allowance(specs: Sequence[TensorSpec]) -> int:
    """Bytes that executing a tape with these tensors may take."""
    held = sum(math.prod(spec.shape) * to_dtype(spec.dtype).itemsize for spec in specs)
    return _SPARE + _TIMES * held


@contextlib.contextmanager
def memory_of_at_most(size: int) -> Iterator[None]:
    """Let the process take so many bytes more than it has, and no further (NOTE 1)."""
    if sys.platform != "linux":
        yield
        return
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  it is read at each step
        now = int(file.read().split()[_DATA]) * page
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + min(size, os.sysconf("SC_PHYS_PAGES") * page)
    bounds = [one for one in (soft, hard) if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([limit, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
