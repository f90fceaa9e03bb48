"""The program's own modes, hooks and transformations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.capture.programs.registry import See, regression, sgd, steps, train


@steps(3)
def grad_scaler_and_autocast(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = functional.mse_loss(model(x), y.bfloat16())
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()
        see(loss, model.weight, model.weight.grad)


class SeesKernels(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.kernels.append(str(func))
        return func(*args, **(kwargs or {}))


class SeesFunctions(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.functions: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.functions.append(getattr(func, "__name__", str(func)))
        return func(*args, **(kwargs or {}))


@steps(4)
def own_dispatch_mode_around_each_step(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model, foreach=False)
    for _ in range(4):
        with SeesKernels() as mode:
            optimizer.zero_grad()
            functional.mse_loss(model(x), y).backward()
            optimizer.step()
        see(sorted(mode.kernels))


@steps(4)
def own_function_mode_around_the_loop(see: See) -> None:
    model, x, y = regression()
    with SeesFunctions() as mode:
        optimizer = sgd(model)
        for _ in range(4):
            optimizer.zero_grad()
            functional.mse_loss(model(x), y).backward()
            optimizer.step()
    see(mode.functions)


class Noisy(torch.Tensor):
    calls: list[str]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.calls.append(getattr(func, "__name__", str(func)))
        return super().__torch_function__(func, types, args, kwargs or {})


@steps(3)
def tensor_subclass_as_data(see: See) -> None:
    Noisy.calls = []
    x = torch.randn(3).as_subclass(Noisy)
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        ((w * x) ** 2).sum().backward()
        see(w.grad)
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    see(Noisy.calls)


@steps(3)
def detect_anomaly(see: See) -> None:
    with torch.autograd.detect_anomaly(check_nan=True):
        train(see, *regression())


@steps(4)
def torch_compile(see: See) -> None:
    torch._dynamo.reset()
    model, x, y = regression()
    train(see, torch.compile(model, backend="eager"), x, y, turns=4)
    torch._dynamo.reset()


@steps(3)
def func_grad_and_vmap_beside_training(see: See) -> None:
    model, x, _ = regression()
    optimizer = sgd(model)
    for _ in range(3):
        optimizer.zero_grad()
        loss = torch.vmap(lambda row: model(row).sum())(x).mean()
        see(torch.func.grad(lambda w: (w**2).sum())(torch.ones(2)))
        loss.backward()
        optimizer.step()
        see(model.weight)


@steps(4)
def functional_call_with_new_parameters(see: See) -> None:
    model, x, y = regression()
    parameters = {k: v.detach().clone().requires_grad_() for k, v in model.named_parameters()}
    for _ in range(4):
        loss = functional.mse_loss(torch.func.functional_call(model, parameters, x), y)
        grads = torch.autograd.grad(loss, list(parameters.values()))
        parameters = {
            name: (value - 0.1 * grad).detach().requires_grad_()
            for (name, value), grad in zip(parameters.items(), grads, strict=True)
        }
        see(*parameters.values())


@steps(4)
def locals_are_kept(see: See) -> None:
    rate = 0.1
    config = locals()
    train(see, *regression(), turns=4)
    see(config["rate"], rate)
