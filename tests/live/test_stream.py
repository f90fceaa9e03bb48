"""When values are read from memory, and when they are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograd_lens.live.stream import Stream
from autograd_lens.trace.values import Summary


@pytest.fixture
def stream() -> Stream:
    return Stream(256, 1 << 20)


def read(stream: Stream, tensor: torch.Tensor) -> Any:
    stream.use(tensor)
    return stream.slots[-1]


def made(stream: Stream) -> torch.Tensor:
    tensor = torch.ones(5000)
    stream.make(tensor)
    return tensor


def test_a_large_value_that_nothing_wrote_is_read_once(stream: Stream) -> None:
    tensor = made(stream)
    first = read(stream, tensor)
    assert isinstance(first, Summary)
    assert read(stream, tensor) is first


def test_what_torch_counts_as_a_change_is_read_again(stream: Stream) -> None:
    tensor = made(stream)
    first = read(stream, tensor)
    tensor.mul_(2)
    assert read(stream, tensor).digest != first.digest


def test_what_a_kernel_wrote_under_another_name_is_read_again(stream: Stream) -> None:
    tensor = made(stream)
    part = tensor.data[7:9]  # has a count of changes of its own
    first = read(stream, tensor)
    part.zero_()
    stream.wrote([part])
    assert read(stream, tensor).digest != first.digest


def test_behind_the_backward_it_is_read_again_whatever_was_seen(stream: Stream) -> None:
    tensor = made(stream)
    first = read(stream, tensor)
    tensor.numpy()[3] = 7
    stream.turn()
    assert read(stream, tensor).digest != first.digest


def test_a_large_value_from_outside_stays_one_object_until_it_is_another() -> None:
    stream = Stream(1 << 20, 1 << 20)
    tensor = torch.zeros(100_000)
    first = read(stream, tensor)
    assert first == tensor.numpy().tobytes()
    stream.turn()
    assert read(stream, tensor) is first
    tensor.numpy()[7] = 1  # NumPy writes without a word
    stream.turn()
    second = read(stream, tensor)
    assert second == tensor.numpy().tobytes() != first


def test_what_comes_from_outside_is_read_every_time_while_it_is_of_middle_size(
    stream: Stream,
) -> None:
    tensor = torch.ones(5000)
    first = read(stream, tensor)
    tensor.numpy()[3] = 7
    assert read(stream, tensor) != first
