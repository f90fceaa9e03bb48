"""The expression computes what the optimizer computed, for torch's own optimizers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from autograd_lens.trace.expression import update_expression
from autograd_lens.trace.records import Argument, Constant, Kernel, TensorSpec, TensorUse


class Recorder(TorchDispatchMode):
    """Writes down kernels, names and ids of tensors, no values."""

    def __init__(self, names: dict[int, tuple[str, Any]]) -> None:
        super().__init__()
        self.names = names
        self.kernels: list[Kernel] = []
        self.seen: dict[int, tuple[int, torch.Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        schema = [argument.name for argument in func._schema.arguments]
        inputs = [
            *(Argument(name, self.encoded(item)) for name, item in zip(schema, args, strict=False)),
            *(Argument(name, self.encoded(item), True) for name, item in kwargs.items()),
        ]
        result = func(*args, **kwargs)
        if func.namespace == "aten":
            self.append(str(func), tuple(inputs), result)
        return result

    def append(self, op: str, inputs: tuple[Argument, ...], result: Any) -> None:
        results = result if isinstance(result, list | tuple) else (result,)
        outputs = tuple(self.encoded(each) for each in results if isinstance(each, torch.Tensor))
        index = len(self.kernels)
        self.kernels.append(Kernel(index, op, inputs, outputs, "update", None, 0, None, ""))

    def encoded(self, item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            number, _ = self.seen.setdefault(id(item), (len(self.seen), item))
            name, role = self.names.get(id(item), ("", "intermediate"))
            dtype = str(item.dtype).removeprefix("torch.")
            return TensorUse(number, TensorSpec(name, tuple(item.shape), dtype, "cpu", role), None)
        if isinstance(item, list | tuple):
            return tuple(self.encoded(each) for each in item)
        plain = isinstance(item, bool | int | float | str) or item is None
        return Constant("scalar", item) if plain else Constant("opaque", str(item))


OPTIMIZERS = [
    ("SGD", {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "maximize": True}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adagrad", {}),
    ("NAdam", {}),
    ("Adadelta", {}),
]


@pytest.mark.parametrize("foreach", [False, True], ids=["loop", "foreach"])
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_evaluating_the_expression_gives_the_updated_parameter(
    name: str, options: dict[str, Any], foreach: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    w, b = (torch.nn.Parameter(torch.randn(3, generator=generator)) for _ in "wb")
    optimizer = getattr(torch.optim, name)([w, b], lr=0.1, foreach=foreach, **options)
    for parameter in (w, b):
        parameter.grad = torch.randn(3, generator=generator)
    optimizer.step()  # makes the state
    state = {key: item for key, item in optimizer.state[w].items() if torch.is_tensor(item)}
    names = {id(item): (key, "state") for key, item in state.items()}
    names |= {id(w): ("w", "parameter"), id(w.grad): ("w.grad", "gradient")}
    known = {"w": w, "grad": w.grad} | state
    known = {key: item.detach().clone() for key, item in known.items()}

    with Recorder(names) as recorder:
        optimizer.step()
    text = update_expression(recorder.kernels, range(len(recorder.kernels)), "w")

    functions = {"sqrt": torch.sqrt, "maximum": torch.maximum}
    computed = eval(text.replace("w.grad", "grad"), {**known, **functions})  # noqa: S307
    torch.testing.assert_close(computed, w.detach(), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("count", [2, 6])
def test_a_clipped_gradient_is_told_once_with_the_norm_of_all(count: int) -> None:
    parameters = [torch.nn.Parameter(torch.full((2,), 1.0 + place)) for place in range(count)]
    names: dict[int, tuple[str, Any]] = {}
    for place, each in enumerate(parameters):
        each.grad = torch.ones(2)
        names |= {
            id(each): (f"p{place}", "parameter"),
            id(each.grad): (f"p{place}.grad", "gradient"),
        }
    with Recorder(names) as recorded:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        torch.optim.SGD(parameters, lr=0.1).step()
    text = update_expression(recorded.kernels, range(len(recorded.kernels)), "p0")
    among = "p0.grad, p1.grad" if count == 2 else "p0.grad, …, p5.grad"
    assert text == (
        f"p0 - 0.1 * u1 where u1 = p0.grad * minimum(1 / (norm([{among}]) + 1e-06), 1.0)"
    )
