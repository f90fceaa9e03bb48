"""A recorded forward, executed again, gives the recorded loss and gradients, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from autograd_lens.errors import ReplayError
from autograd_lens.replay.loss import LossFunction
from autograd_lens.trace.records import Constant, Kernel, Step
from tests.support.linear_step import light, linear_step

RecordStep = Callable[..., Step]


def convolutional() -> tuple[nn.Module, torch.Tensor]:
    """Batch norm, an in-place ReLU and dropout: running statistics, writes, random numbers."""
    layers = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Dropout(0.4), nn.Flatten()
    )
    return layers, torch.randn(4, 1, 6, 6)


def recurrent() -> tuple[nn.Module, torch.Tensor]:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.lstm = nn.LSTM(4, 5, batch_first=True)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            return self.lstm(self.embedding(words))[0]

    return Last(), torch.randint(0, 7, (2, 3))


def attentive() -> tuple[nn.Module, torch.Tensor]:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return layer, torch.randn(2, 3, 8)


@pytest.mark.parametrize("build", [convolutional, recurrent, attentive])
def test_loss_and_gradients_are_bit_equal(build: Any, record_step: RecordStep) -> None:
    torch.manual_seed(0)
    model, x = build()
    step = record_step(lambda: model(x).square().mean(), model)
    tape = LossFunction.from_step(step)
    parameters = {n: p.requires_grad_() for n, p in tape.recorded_parameters().items()}
    loss = tape.forward(parameters)
    loss.backward()
    assert torch.equal(loss, tape.recorded_loss)
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.grad.numpy(), step.parameters[name].grad.array)


def test_executing_twice_gives_the_same(record_step: RecordStep) -> None:
    model, x = convolutional()
    tape = LossFunction.from_step(record_step(lambda: model(x).square().mean(), model))
    parameters = tape.recorded_parameters()
    before = {number: tensor.clone() for number, tensor in tape.constants.items()}
    first = tape.forward(parameters)
    assert torch.equal(first, tape.forward(parameters))
    assert all(torch.equal(before[n], tensor) for n, tensor in tape.constants.items())
    assert tape.random == ("aten.bernoulli_.float",)


def test_views_and_in_place_writes_keep_their_identity(record_step: RecordStep) -> None:
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def loss() -> torch.Tensor:
        h = w * 2
        h[1:].mul_(10)  # changes h through a view
        h.add_(h)
        return (h * w).sum()

    tape = LossFunction.from_step(record_step(loss))
    (name,) = tape.parameters
    assert tape.forward({name: w.detach()}).item() == 4 * 1 + 40 * 4 + 40 * 9


def test_a_parameter_written_in_the_forward_is_not_the_callers(record_step: RecordStep) -> None:
    w = torch.tensor([-1.0, 2.0], requires_grad=True)

    def loss() -> torch.Tensor:
        with torch.no_grad():
            w.clamp_(min=0)
        return (w * 3).sum()

    tape = LossFunction.from_step(record_step(loss))
    ((name, given),) = ((name, torch.tensor([-5.0, 1.0])) for name in tape.parameters)
    assert tape.forward({name: given}).item() in {3.0, -12.0}  # where the clamp was recorded
    assert given.tolist() == [-5.0, 1.0]


def test_what_the_loss_does_not_need_is_not_executed(record_step: RecordStep) -> None:
    w = torch.tensor(3.0, requires_grad=True)

    def loss() -> torch.Tensor:
        y = w * 2
        print(y.item(), (y + 1).sqrt())
        return y * y

    tape = LossFunction.from_step(record_step(loss))
    assert [call.kernel.op for call in tape.calls] == ["aten.mul.Tensor", "aten.mul.Tensor"]


def test_dropout_masks_are_those_that_were_drawn(record_step: RecordStep) -> None:
    w = torch.ones(1000, requires_grad=True)
    step = record_step(lambda: functional.dropout(w, 0.25).sum())
    tape = LossFunction.from_step(step)
    (name,) = tape.parameters
    state = torch.get_rng_state()
    doubled = tape.forward({name: 2 * w.detach()})
    assert doubled.item() == pytest.approx(2 * step.loss)
    assert torch.equal(state, torch.get_rng_state())
    drawn = {tape.forward({name: w.detach()}, draw=True).item() for _ in range(4)}
    assert len(drawn) > 1


def test_double_computes_in_float64(record_step: RecordStep) -> None:
    w = torch.tensor(0.1, requires_grad=True)
    step = record_step(lambda: (w * w).to(torch.float32) * 3 + torch.zeros((), dtype=torch.float32))
    tape = LossFunction.from_step(step).double()
    (name,) = tape.parameters
    loss = tape.forward({name: torch.tensor(0.1, dtype=torch.float64)})
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(0.03, rel=1e-15)


def test_a_loss_that_follows_from_a_gradient_is_not_given_in_float64(
    record_step: RecordStep,
) -> None:
    w = torch.ones(2, requires_grad=True)

    def loss() -> torch.Tensor:
        (slope,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
        return slope.square().sum()

    with pytest.raises(ReplayError, match="follows from a gradient"):
        LossFunction.in_float64(record_step(loss))


def test_hand_built_records_are_enough() -> None:
    step = linear_step()
    tape = LossFunction.from_step(step)
    assert sorted(tape.parameters) == ["b1", "w1"]
    assert tape.forward(tape.recorded_parameters()).item() == pytest.approx(step.loss, rel=1e-6)


def changed(step: Step, index: int, **fields: Any) -> Step:
    kernels: list[Kernel] = list(step.kernels)
    kernels[index] = replace(kernels[index], **fields)
    return replace(step, kernels=tuple(kernels))


def without_value(step: Step) -> Step:
    x, weight = step.kernels[0].inputs
    return changed(step, 0, inputs=(replace(x, value=replace(x.value, value=None)), weight))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (light(linear_step()), "Step 0 was recorded without its tape"),
        (replace(linear_step(), backwards=()), "Step 0 has 0 backwards"),
        (changed(linear_step(), 0, op="my.op.default"), "'my.op.default' cannot be replayed"),
        (
            without_value(linear_step()),
            r"The value of x \(float32, shape \(100, 1\)\) was not kept",
        ),
    ],
)
def test_what_cannot_be_replayed_is_named(step: Step, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        LossFunction.from_step(step)


def test_a_missing_parameter_is_named() -> None:
    tape = LossFunction.from_step(linear_step())
    with pytest.raises(ReplayError, match=r"needs the parameters b1\. Given were w1"):
        tape.forward({"w1": torch.zeros(1, 1)})


def test_a_kernel_that_refuses_says_which() -> None:
    step = linear_step()
    exponent = replace(step.kernels[3].inputs[1], value=Constant("scalar", "two"))
    tape = LossFunction.from_step(changed(step, 3, inputs=(step.kernels[3].inputs[0], exponent)))
    with pytest.raises(ReplayError, match=r"Kernel 3 \(aten.pow.Tensor_Scalar\)"):
        tape.forward(tape.recorded_parameters())
