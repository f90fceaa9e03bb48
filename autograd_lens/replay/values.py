"""Recorded values as torch tensors, and tensors as values, bit for bit."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xxhash

from autograd_lens.errors import ReplayError
from autograd_lens.trace.values import Entry, Summary, Value

__all__ = [
    "as_tensor",
    "laid_out",
    "matches",
    "to_device",
    "to_double",
    "to_dtype",
    "to_tensor",
    "to_value",
    "wider",
]

_WIDER = dict.fromkeys(("bfloat16", "float16", "float32"), "float64") | dict.fromkeys(
    ("complex32", "complex64"), "complex128"
)


def to_dtype(name: str) -> torch.dtype:
    """The torch dtype of a recorded name, for example ``"bfloat16"``.

    Raises:
        ReplayError: This torch has no such dtype.
    """
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        msg = f"This torch ({torch.__version__}) has no dtype {name!r}."
        raise ReplayError(msg, hint="Open the trace with the version that recorded it.")
    return dtype


def to_tensor(value: Value, device: str = "cpu") -> torch.Tensor:
    """A fresh tensor with the recorded bits, contiguous, of the value's shape.

    Args:
        value: The value, every element kept.
        device: Where the tensor was when it was recorded.

    Raises:
        ReplayError: Only a summary was kept, the bytes do not fit the shape, or the device
            or dtype is not there.
    """
    dtype = to_dtype(value.dtype)
    if value.data is None:
        msg = f"Only a summary was kept of a {value.dtype} tensor of shape {value.shape}."
        raise ReplayError(msg, hint="Record with a larger value budget to keep all elements.")
    if len(value.data) != math.prod(value.shape) * dtype.itemsize:
        msg = f"{len(value.data)} bytes cannot be a {value.dtype} tensor of shape {value.shape}."
        raise ReplayError(msg, hint="The trace is damaged; record the run again.")
    if not value.data:
        return torch.empty(value.shape, dtype=dtype, device=to_device(device))
    # A bytearray, because torch warns of memory that it must not write to.
    raw = torch.frombuffer(bytearray(value.data), dtype=torch.uint8)
    return raw.view(dtype).reshape(value.shape).to(to_device(device))


def as_tensor(entry: Entry, dtype: str, shape: tuple[int, ...], device: str) -> torch.Tensor | None:
    """A tensor with a recorded value; None where there is none, or none that torch can take."""
    if not isinstance(entry, bytes):
        return None
    try:
        return to_tensor(Value(dtype, shape, entry), device).clone()
    except ReplayError:
        return None


def held_as(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    """The same elements in another layout; ``""`` leaves them as they are.

    Raises:
        ReplayError: It is none that elements alone make.
    """
    if not layout or tensor.layout is not torch.strided:
        return tensor
    if layout not in {"sparse_coo", "sparse_csr", "sparse_csc"}:
        msg = f"A tensor that it reads is held as {layout}, which its elements do not make again."
        raise ReplayError(msg)
    with torch.sparse.check_sparse_tensor_invariants(enable=True):
        return tensor.to_sparse(layout=getattr(torch, layout))


def laid_out(tensor: torch.Tensor, strides: tuple[int, ...]) -> torch.Tensor:
    """The same values with other strides, on which the order of sums depends.

    Strides of 0 are those of an expanded tensor; where elements overlap otherwise the tensor is
    returned as it is.
    """
    if not strides or len(strides) != tensor.dim():
        return tensor
    held = tensor
    for dim, stride in enumerate(strides):
        held = held if stride else held.narrow(dim, 0, 1)
    try:
        made = torch.empty_strided(held.shape, strides, dtype=held.dtype, device=held.device)
        return made.copy_(held).as_strided(tensor.shape, strides)
    except RuntimeError:
        return tensor


def to_device(name: str) -> torch.device:
    """The device of a recorded name, for example ``"cuda:0"``.

    Raises:
        ReplayError: This machine has no such device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        msg = f"The tape was recorded on {name!r}, which is not available here."
        raise ReplayError(msg, hint="Replay it on a machine that has that device.") from error
    return device


def to_value(tensor: torch.Tensor) -> Value:
    """The value of a tensor, every element kept; a sparse one is written out."""
    return Value(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), _bytes(tensor))


def wider(dtype: str) -> str:
    """The dtype of double precision that stands in for a floating or complex one."""
    return _WIDER.get(dtype, dtype)


def to_double(tensor: torch.Tensor) -> torch.Tensor:
    """Floating-point tensors in float64, complex ones in complex128, others as they are."""
    return tensor.to(to_dtype(wider(str(tensor.dtype).removeprefix("torch."))))


def _bytes(tensor: torch.Tensor) -> bytes:
    return _memory(tensor).tobytes()


def _memory(tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
    """The bytes of a tensor as they stand in memory, which lives as long as the array."""
    if tensor.layout is not torch.strided:
        tensor = tensor.detach().to_dense()
    if tensor._is_zerotensor():
        return np.zeros(tensor.nbytes, np.uint8)
    if not (tensor.is_cpu and tensor.is_contiguous()) or tensor.is_conj() or tensor.is_neg():
        tensor = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if not tensor.nbytes:
        return np.zeros(0, np.uint8)
    memory: Any = (ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())
    memory.tensor = tensor  # else a copy that was made here would be gone
    return np.frombuffer(memory, np.uint8)


def matches(recorded: Entry, tensor: torch.Tensor | None) -> bool:
    """Whether a tensor has the recorded bits; of a summary the digest is compared."""
    if recorded is None or tensor is None:
        return recorded is None and tensor is None
    memory = _memory(tensor)
    if isinstance(recorded, Summary):
        return recorded.digest == xxhash.xxh3_128_hexdigest(memory.data)
    return recorded == memory.tobytes()
