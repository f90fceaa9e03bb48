"""Recorded values become tensors with the same bits."""

from __future__ import annotations

import pytest
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.values import to_double, to_tensor, to_value
from autograd_lens.trace.values import Summary, Value

DTYPES = sorted(
    {
        str(dtype).removeprefix("torch.")
        for dtype in vars(torch).values()
        if isinstance(dtype, torch.dtype)
    }
    - {"qint8", "quint8", "qint32", "quint4x2", "quint2x4"}
)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_keeps_every_bit(name: str) -> None:
    dtype = getattr(torch, name)
    bits = (bytes([0, 1]) if name == "bool" else bytes(range(1, 250, 3))) * 64
    data = bits[: 6 * dtype.itemsize]
    value = Value(name, (2, 3), data)
    tensor = to_tensor(value)
    assert (tensor.dtype, tensor.shape) == (dtype, (2, 3))
    assert to_value(tensor) == value


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,)])
def test_scalars_and_empty_tensors(shape: tuple[int, ...]) -> None:
    tensor = torch.ones(shape, dtype=torch.bfloat16)
    value = to_value(tensor)
    assert value.shape == shape
    assert torch.equal(to_tensor(value), tensor)


def test_strided_and_conjugated_tensors_are_written_as_they_read() -> None:
    grid = torch.arange(6).reshape(2, 3).t()
    assert torch.equal(to_tensor(to_value(grid)), grid)
    conjugated = torch.tensor([1 + 2j]).conj()
    assert to_tensor(to_value(conjugated)).item() == 1 - 2j


def test_a_tensor_is_fresh_each_time() -> None:
    value = to_value(torch.zeros(2))
    to_tensor(value).add_(1)
    assert to_tensor(value).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "device", "message"),
    [
        (Value("float32", (2,), None, Summary("ab", 1.0)), "cpu", "Only a summary was kept"),
        (Value("float32", (2,), b"1234"), "cpu", "4 bytes cannot be a float32 tensor"),
        (Value("float13", (1,), b"1234"), "cpu", "has no dtype 'float13'"),
        (Value("nn", (1,), b"1234"), "cpu", "has no dtype 'nn'"),
        (Value("float32", (1,), b"1234"), "warp:0", "'warp:0', which is not available here"),
    ],
)
def test_what_cannot_be_a_tensor_says_why(value: Value, device: str, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        to_tensor(value, device)


def test_double_widens_numbers_and_leaves_the_rest() -> None:
    wide = [to_double(torch.zeros(1, dtype=d)).dtype for d in (torch.float16, torch.complex64)]
    assert wide == [torch.float64, torch.complex128]
    assert to_double(torch.zeros(1, dtype=torch.int32)).dtype == torch.int32
