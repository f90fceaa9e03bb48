"""Reading a tensor's value without running a torch kernel.

NOTE 1 [Why not clone]: a clone is a kernel. Other dispatch modes and profilers would see it,
it costs more than a microsecond, and under the program's own modes it may not even copy.
Dense CPU tensors are read straight from memory instead: the bytes at ``data_ptr()`` where
the tensor is contiguous, a strided NumPy view otherwise. Only what cannot be read like this
(other devices, sparse layouts, lazy conjugation) goes through torch, with all modes off.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import xxhash
from torch.nn import Parameter
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.trace.values import Summary, summarize

__all__ = [
    "DTYPE_NAMES",
    "SMALL",
    "RawValue",
    "bytes_at",
    "content_digest",
    "is_opaque",
    "is_plain",
    "read",
    "read_memory",
    "read_scalar",
]

RawValue = bytes | Summary | None

# A function object of our own: setting argtypes on the one that ctypes.pythonapi shares
# would change it for every other user in the process.
bytes_at: Callable[[int, int], bytes] = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t
)(("PyBytes_FromStringAndSize", ctypes.pythonapi))

_PLAIN_TYPES = frozenset({torch.Tensor, Parameter})
_NO_DISPATCH = torch._C._disabled_torch_dispatch_impl
_COMPLEX = frozenset({torch.complex32, torch.complex64, torch.complex128})
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_MAX_DENSE = 1 << 26  # bytes that a sparse tensor may take when it is written out
SMALL = 4096  # bytes; below it, copying costs less than deciding

DTYPE_NAMES: dict[torch.dtype, str] = {
    dtype: str(dtype).removeprefix("torch.")
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype)
}


def read(
    tensor: torch.Tensor,
    limit: int,
    *,
    brief: bool = False,
    known: dict[str, Summary] | None = None,
) -> RawValue:
    """The value of a tensor now.

    Args:
        tensor: Any tensor.
        limit: Largest size in bytes that is kept whole.
        brief: Whether a summary may hold no more than digest and norm, which are computed at
            the speed of memory. Where the norm is finite, so is every element.
        known: Summaries by digest that need not be made again.

    Returns:
        Raw little-endian bytes in row-major order, a ``Summary`` where that would be more
        than ``limit`` bytes, or None where the tensor has no readable value (meta tensors,
        those of which ``is_opaque`` is true, quantized ones, huge sparse ones, and those whose
        memory was given back). A sparse tensor is read as a dense one.
    """
    if is_opaque(tensor):
        return None
    try:
        if (
            tensor.is_cpu
            and tensor.layout is torch.strided
            and tensor.is_contiguous()
            and type(tensor) in _PLAIN_TYPES
            and tensor.dtype not in _COMPLEX
            and tensor.nbytes <= limit
            and not tensor._is_zerotensor()  # zeros that have no memory
        ):
            address = tensor.data_ptr()
            return bytes_at(address, tensor.nbytes) if address or not tensor.nbytes else None
        if tensor.layout is torch.strided and _is_freed(tensor):
            return None
        return _read_general(tensor, limit, brief, known)
    except (RuntimeError, TypeError, NotImplementedError, ValueError):
        return None


def _is_freed(tensor: torch.Tensor) -> bool:
    """Whether a tensor's memory was given back while it lives, as sharding does in between."""
    return tensor.nbytes > 0 and not tensor._is_zerotensor() and tensor.data_ptr() == 0


def is_opaque(tensor: torch.Tensor) -> bool:
    """Whether the program's own code answers for this tensor: asking it for anything runs that.

    True of subclasses with a ``__torch_dispatch__``, as fake tensors are; and of nested tensors,
    which have no sizes.
    """
    kind = type(tensor)
    return tensor.is_nested if kind in _PLAIN_TYPES else kind.__torch_dispatch__ is not _NO_DISPATCH


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor's bytes may be read from its memory as they stand, again and again."""
    return (
        type(tensor) in _PLAIN_TYPES
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and tensor.nbytes > 0
        and tensor.dtype not in _COMPLEX
        and not tensor._is_zerotensor()
        and tensor.data_ptr() != 0
    )


def content_digest(tensor: torch.Tensor) -> bytes:
    """XXH3-128 of the bytes of a contiguous tensor on the CPU, without a copy of them."""
    memory: Any = (ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())
    return xxhash.xxh3_128_digest(memory)


def read_memory(address: int, size: int, dtype: torch.dtype, limit: int) -> RawValue:
    """What ``read`` would give, in brief, of a plain tensor of which only the memory is known."""
    if size <= limit:
        return bytes_at(address, size)
    memory: Any = (ctypes.c_char * size).from_address(address)
    raw = np.ndarray((size,), np.dtype(np.uint8), memory)
    return summarize(raw, DTYPE_NAMES[dtype], brief=True)


def read_scalar(tensor: torch.Tensor) -> bytes | None:
    """The raw bytes of a one-element tensor, None where it has more or cannot be read."""
    if tensor.numel() != 1:
        return None
    if tensor.is_cpu and tensor.__class__ is torch.Tensor and tensor.dtype is torch.float32:
        return bytes_at(tensor.data_ptr(), 4)
    value = read(tensor, 16)
    return value if isinstance(value, bytes) else None


def _read_general(
    tensor: torch.Tensor,
    limit: int,
    brief: bool,  # noqa: FBT001  a keyword costs time in each kernel
    known: dict[str, Summary] | None,
) -> RawValue:
    if tensor.is_meta or tensor.is_quantized:
        return None
    if not tensor.is_cpu and _is_captured():
        return None  # a copy to the host would spoil the graph that is being captured
    if tensor.layout is not torch.strided:
        return _read_sparse(tensor, limit)
    if tensor._is_zerotensor():
        with _disable_current_modes(), torch.no_grad():
            tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)
    if not tensor.is_cpu or tensor.is_conj() or tensor.is_neg() or not _is_plain(tensor):
        with _disable_current_modes(), torch.no_grad():
            plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
        if not _is_plain(plain):
            return None
        return _from_memory(plain, limit, brief, known)
    return _from_memory(tensor, limit, brief, known)


def _is_captured() -> bool:
    """Whether kernels are kept for a CUDA graph just now, and not run."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


def _read_sparse(tensor: torch.Tensor, limit: int) -> RawValue:
    if tensor.numel() * tensor.element_size() > _MAX_DENSE:
        return None
    with _disable_current_modes(), torch.no_grad():
        detached = tensor.detach()
        if tensor.layout is torch.sparse_coo and not tensor.is_coalesced():
            # Writing it out would coalesce the program's own tensor, too.
            detached = detached.clone()
        return _from_memory(detached.to_dense().contiguous(), limit, brief=False)


def _is_plain(tensor: torch.Tensor) -> bool:
    return type(tensor) in _PLAIN_TYPES


def _from_memory(
    tensor: torch.Tensor,
    limit: int,
    brief: bool,  # noqa: FBT001  a keyword costs time in each kernel
    known: dict[str, Summary] | None = None,
) -> RawValue:
    if tensor.nbytes <= limit and not any(tensor.stride()):
        # One number expanded, as every mean's and sum's gradient is.
        return bytes_at(tensor.data_ptr(), tensor.element_size()) * tensor.numel()
    array = _strided_view(tensor)
    if tensor.nbytes <= limit:
        return array.tobytes()
    raw = np.ascontiguousarray(array).reshape(-1)
    return summarize(raw, DTYPE_NAMES[tensor.dtype], brief=brief, known=known)


def _strided_view(tensor: torch.Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """The tensor's memory as unsigned integers of its item size; no copy is made."""
    itemsize = tensor.element_size()
    shape, strides = tuple(tensor.shape), tensor.stride()
    dtype = np.dtype(_UNSIGNED.get(itemsize, f"V{itemsize}"))
    if 0 in shape:
        return np.empty(shape, dtype)
    span = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    memory: Any = (ctypes.c_char * (span * itemsize)).from_address(tensor.data_ptr())
    return np.ndarray(shape, dtype, memory, strides=[stride * itemsize for stride in strides])
