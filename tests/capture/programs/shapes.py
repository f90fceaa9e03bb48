"""Training loops of many shapes. Each is a function of ``see``, which it shows its numbers.

The decorator says how many steps a person would count.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

See = Callable[..., None]
Shape = Callable[[See], None]

SHAPES: dict[str, tuple[Shape, int]] = {}


def steps(count: int) -> Callable[[Shape], Shape]:
    def enter(program: Shape) -> Shape:
        SHAPES[program.__name__] = program, count
        return program

    return enter


def regression() -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    return nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)


def sgd(*modules: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD([p for m in modules for p in m.parameters()], lr=0.1, **options)


def train(see: See, model: nn.Module, x: torch.Tensor, y: torch.Tensor, turns: int = 3) -> None:
    optimizer = sgd(model)
    for _ in range(turns):
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        see(loss, *model.parameters(), *[p.grad for p in model.parameters()])


# -- how steps are made of calls ----------------------------------------------------------------


@steps(4)
def zero_grad_at_the_top(see: See) -> None:
    train(see, *regression(), turns=4)


@steps(3)
def zero_grad_at_the_bottom_and_twice(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        model.zero_grad(set_to_none=False)
        see(loss, model.weight, model.weight.grad)


@steps(3)
def zero_grad_missing(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        see(loss, model.weight.grad)


@steps(3)
def zero_grad_before_step(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        functional.mse_loss(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()
        see(model.weight)


@steps(3)
def update_without_effect(see: See) -> None:
    model, x, y = regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(3):
        functional.mse_loss(model(x), y).backward()
        optimizer.step()
        see(model.weight)


@steps(3)
def gradient_accumulation(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        for part in range(3):
            functional.mse_loss(model(x + part), y).backward()
        optimizer.step()
        optimizer.zero_grad()
        see(model.weight)


@steps(3)
def two_losses_on_two_lines(see: See) -> None:
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
    for_generator = torch.optim.Adam(generator.parameters())
    for_discriminator = torch.optim.Adam(discriminator.parameters())
    for _ in range(3):
        for_discriminator.zero_grad()
        fake = discriminator(generator(torch.randn(5, 2)).detach()).mean()
        (fake - discriminator(torch.randn(5, 2)).mean()).backward()
        for_discriminator.step()
        for_generator.zero_grad()
        (-discriminator(generator(torch.randn(5, 2))).mean()).backward()
        for_generator.step()
        see(generator.weight, discriminator.weight)


@steps(3)
def lbfgs_closure(see: See) -> None:
    model, x, y = regression()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        see(optimizer.step(closure), model.weight)


@steps(3)
def scheduler(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(3):
        optimizer.zero_grad()
        functional.mse_loss(model(x), y).backward()
        optimizer.step()
        schedule.step()
        see(model.weight, schedule.get_last_lr())


@steps(4)
def class_method_in_while_loop(see: See) -> None:
    class Trainer:
        def __init__(self) -> None:
            self.net, self.x, self.y = regression()
            self.optimizer = sgd(self.net)

        def one(self) -> None:
            self.optimizer.zero_grad()
            self.loss = functional.mse_loss(self.net(self.x), self.y)
            self.loss.backward()
            self.optimizer.step()

        def fit(self, turns: int) -> None:
            while turns:
                self.one()
                turns -= 1
                see(self.net.weight)

    Trainer().fit(4)


@steps(4)
def generator_function(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)

    def turns() -> Any:
        for _ in range(4):
            optimizer.zero_grad()
            loss = functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss

    for loss in turns():
        see(loss)


@steps(3)
def one_line_without_source(see: See) -> None:
    code = """
for _ in range(3): l = (w**2).sum(); l.backward(); w.data -= .1 * w.grad; w.grad = None; see(w)
"""
    exec(code, {"w": torch.ones(2, requires_grad=True), "see": see})  # noqa: S102


@steps(0)
def no_backward(see: See) -> None:
    model, x, _ = regression()
    see(model(x))


@steps(1)
def one_step_of_20000_nodes(see: See) -> None:
    w = torch.ones(1, requires_grad=True)
    y = w
    for _ in range(20_000):
        y = y + 1
    y.backward()
    see(w.grad)


# -- ways to call backward ----------------------------------------------------------------------


@steps(3)
def retain_graph(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        loss = (w**2).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        see(w.grad)
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None


@steps(4)
def grad_called_directly(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        (gradient,) = torch.autograd.grad((w**2).sum(), [w])
        with torch.no_grad():
            w -= 0.1 * gradient
        see(w)


@steps(4)
def backward_in_a_helper(see: See) -> None:
    def helper(loss: torch.Tensor) -> None:
        torch.autograd.backward(loss)

    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        helper((w**2).sum())
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()
        see(w)


@steps(3)
def double_backward(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.001)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (w**3).sum()
        (gradient,) = torch.autograd.grad(loss, w, create_graph=True)
        (loss + gradient.pow(2).sum()).backward()
        optimizer.step()
        see(w, w.grad)


@steps(1)
def backward_of_a_grad(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    w.grad.sum().backward()
    see(w.grad)
    w.grad = None


@steps(3)
def only_some_inputs(see: See) -> None:
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for _ in range(3):
        (a * b).sum().backward(inputs=[a])
        see(a.grad, b.grad)
        with torch.no_grad():
            a -= 0.1 * a.grad
        a.grad = None


@steps(2)
def several_roots(see: See) -> None:
    w = torch.ones(2, requires_grad=True)
    for _ in range(2):
        torch.autograd.backward([(w * 2).sum(), w * 3], [None, torch.ones(2)])
        see(w.grad)
        w.data -= 0.1 * w.grad
        w.grad = None


@steps(1)
def a_leaf_and_an_edge_as_roots(see: See) -> None:
    w = torch.tensor(2.0, requires_grad=True)
    w.backward()
    torch.autograd.backward(torch.autograd.graph.get_gradient_edge(w * 2))
    see(w.grad)


# -- what the graph holds -----------------------------------------------------------------------


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


# -- parameters of every kind -------------------------------------------------------------------


@steps(40)
def data_is_rebound(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(40):
        w.exp().sum().backward()
        w.data = w.data - 0.01 * w.grad
        w.grad = None
        see(w)


@steps(40)
def name_is_rebound(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(40):
        w.exp().sum().backward()
        w = (w - 0.01 * w.grad).detach().requires_grad_()
        see(w)


@steps(60)
def name_is_rebound_and_the_old_ones_live_on(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    history = []
    for _ in range(60):
        w.exp().sum().backward()
        history.append(w)
        w = (w - 0.01 * w.grad).detach().requires_grad_()
        see(w)


@steps(3)
def sparse_embedding(see: See) -> None:
    table = nn.Embedding(10, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters())
    for row in range(3):
        optimizer.zero_grad()
        table(torch.tensor([1, 2, row])).pow(2).sum().backward()
        optimizer.step()
        see(table.weight, table.weight.grad)


@steps(3)
def complex_parameters(see: See) -> None:
    w = torch.randn(3, dtype=torch.complex64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        ((w * w.conj()).real.sum() + w.imag.sum()).backward()
        optimizer.step()
        see(w, w.grad)


def of_dtype(see: See, dtype: torch.dtype) -> None:
    model = nn.Linear(3, 2, dtype=dtype)
    train(see, model, torch.randn(4, 3, dtype=dtype), torch.randn(4, 2, dtype=dtype))


@steps(3)
def float64(see: See) -> None:
    of_dtype(see, torch.float64)


@steps(3)
def bfloat16(see: See) -> None:
    of_dtype(see, torch.bfloat16)


@steps(4)
def dtype_changes_on_the_way(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    model.double()
    train(see, model, x.double(), y.double(), turns=2)


@steps(3)
def zero_size_and_not_contiguous(see: See) -> None:
    empty = torch.zeros(0, 3, requires_grad=True)
    w = torch.randn(3, 4).t().requires_grad_()
    for _ in range(3):
        (empty.sum() + w.exp().sum()).backward()
        see(w, w.grad, empty.grad)
        with torch.no_grad():
            w -= 0.01 * w.grad
        w.grad = empty.grad = None


@steps(3)
def grads_are_views_of_one_buffer(see: See) -> None:
    buffer = torch.zeros(4)
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    a.grad, b.grad = buffer[:2], buffer[2:]
    for _ in range(3):
        (a * b).sum().backward()
        see(buffer)
        a.data -= 0.1 * a.grad
        b.data -= 0.1 * b.grad
        buffer.zero_()


@steps(4)
def layers_are_added(see: See) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    x = torch.randn(3, 2)
    for turn in range(4):
        if turn == 2:
            model.append(nn.Linear(2, 2))
        optimizer = sgd(model)
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        see(*model.parameters())


@steps(6)
def frozen_then_not(see: See) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    x, y = torch.randn(4, 3), torch.randn(4, 2)
    model[0].requires_grad_(False)
    train(see, model, x, y)
    model[0].requires_grad_(True)
    train(see, model, x, y)


@steps(3)
def shared_weights(see: See) -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    train(see, nn.Sequential(first, second), torch.randn(4, 3), torch.randn(4, 3))


@steps(3)
def lazy_modules(see: See) -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    x = torch.randn(4, 3)
    for _ in range(3):
        model(x).pow(2).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        model.zero_grad()
        see(*model.parameters())


@steps(3)
def weight_norm(see: See) -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    train(see, model, torch.randn(4, 3), torch.randn(4, 2))


@steps(4)
def nan_and_inf(see: See) -> None:
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    for turn in range(4):
        (w.sqrt().sum() * (1e38 if turn else 1) * 10).backward()
        see(w.grad)
        w.data -= w.grad
        w.grad = None


# -- the program's own tools --------------------------------------------------------------------


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


# -- threads and processes ----------------------------------------------------------------------


@steps(4)
def forked_child_trains_too(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    child = os.fork()
    if child == 0:
        try:
            train(lambda *_: None, model, x, y)
            os._exit(0)
        finally:
            os._exit(1)
    see(os.waitpid(child, 0)[1])
    train(see, model, x, y, turns=2)


@steps(4)
def data_loader_shuffles(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(2):
        for batch_x, batch_y in DataLoader(TensorDataset(x, y), batch_size=2, shuffle=True):
            optimizer.zero_grad()
            loss = functional.mse_loss(model(batch_x), batch_y)
            loss.backward()
            optimizer.step()
            see(loss, model.weight)


@steps(2)
def another_thread_trains_beside(see: See) -> None:
    ones = torch.ones(1, 1)
    thread = threading.Thread(target=lambda: train(lambda *_: None, nn.Linear(1, 1), ones, ones))
    model, x, y = regression()
    thread.start()
    thread.join()
    train(see, model, x, y, turns=2)


# -- what goes wrong ----------------------------------------------------------------------------


@steps(1)
def saved_tensor_changed_in_place(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    a = w.exp()
    b = a * 2
    a.add_(1)
    b.sum().backward()


@steps(1)
def backward_twice(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    loss = w.exp().sum()
    loss.backward()
    loss.backward()


@steps(0)
def not_a_scalar(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    (w * 2).backward()


@steps(4)
def error_is_caught_and_training_goes_on(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        loss = w.exp().sum()
        loss.backward()
        try:
            loss.backward()
        except RuntimeError as error:
            see(str(error))
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        see(w)


@steps(2)
def error_in_forward(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    model(torch.randn(4, 7))


@steps(1)
def error_in_a_hook(see: See) -> None:
    def fails(_grad: torch.Tensor) -> None:
        msg = "in a hook"
        raise KeyError(msg)

    w = torch.ones(2, requires_grad=True)
    see(w)
    a = w * 2
    a.register_hook(fails)
    a.sum().backward()


@steps(1)
def error_in_the_optimizer(see: See) -> None:
    class Broken(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            msg = "no step"
            raise ValueError(msg)

    model, x, y = regression()
    optimizer = Broken(model.parameters())
    functional.mse_loss(model(x), y).backward()
    see(model.weight.grad)
    optimizer.step()
