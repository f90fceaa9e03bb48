"""What the graph holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tests.capture.programs.registry import See, regression, sgd, steps, train


@steps(3)
def hooks_that_change_gradients(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    model.weight.register_hook(lambda grad: grad * 2)

    def triple(parameter: torch.Tensor) -> None:
        parameter.grad.mul_(3)

    model.bias.register_post_accumulate_grad_hook(triple)
    model.register_full_backward_hook(lambda _module, _inputs, _outputs: None)
    model.register_forward_hook(lambda _module, _inputs, output: output * 1.5)
    for _ in range(3):
        optimizer.zero_grad()
        out = model(x)
        out.register_hook(lambda grad: grad + 1)
        functional.mse_loss(out, y).backward()
        optimizer.step()
        see(model.weight.grad, model.bias.grad, model.bias)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return grad * 2 * x


@steps(3)
def custom_function(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        Square.apply(w).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
        see(w)


@steps(3)
def in_place_and_views(see: See) -> None:
    w = torch.randn(4, 4, requires_grad=True)
    for _ in range(3):
        a = w * 2
        a[0].mul_(3)
        a[:, 1] += 1
        a.view(16)[3:5].add_(1)
        a.relu_()
        a.sum().backward()
        see(w.grad)
        w.data.sub_(w.grad, alpha=0.1)
        w.grad = None


def checkpointed(see: See, *, use_reentrant: bool) -> None:
    body, head = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.3)), nn.Linear(3, 2)
    optimizer = sgd(body, head)
    x = torch.randn(4, 3, requires_grad=use_reentrant)
    for _ in range(3):
        optimizer.zero_grad()
        hidden = checkpoint(body, x, use_reentrant=use_reentrant)
        head(hidden).pow(2).mean().backward()
        optimizer.step()
        see(*body.parameters(), head.weight, body[0].weight.grad)


@steps(3)
def checkpoint_reentrant(see: See) -> None:
    checkpointed(see, use_reentrant=True)


@steps(3)
def checkpoint_not_reentrant(see: See) -> None:
    checkpointed(see, use_reentrant=False)


@steps(3)
def saved_tensors_hooks_are_called_as_often(see: See) -> None:
    model, x, y = regression()
    calls: list[str] = []

    def note(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda tensor: (calls.append(name), tensor)[1]

    for _ in range(3):
        with torch.autograd.graph.saved_tensors_hooks(note("pack"), note("unpack")):
            loss = functional.mse_loss(model(x), y)
        loss.backward()
        with torch.autograd.graph.save_on_cpu():
            loss = functional.mse_loss(model(x), y)
        loss.backward()
        model.weight.data -= 0.1 * model.weight.grad
        see(list(calls), model.weight.grad)


@steps(3)
def dropout_and_batch_norm(see: See) -> None:
    model = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2)
    )
    train(see, model, torch.randn(6, 3), torch.randn(6, 2))
    model.eval()
    see(model(torch.randn(2, 3)))


@steps(3)
def attention(see: See) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    train(see, layer, torch.randn(2, 5, 4), torch.randn(2, 5, 4))
