"""Every textbook rule against autograd, over random inputs in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from autograd_lens.analysis.textbook import RULES
from autograd_lens.trace.expr import (
    TEXTBOOK,
    Call,
    Expr,
    Name,
    Word,
    digits,
    evaluate,
    substituted,
    visible,
    walk,
    write,
)

aten = torch.ops.aten


def tensor(*shape: int, positive: bool = False) -> Callable[[], torch.Tensor]:
    def draw() -> torch.Tensor:
        numbers = torch.randn(*shape, dtype=torch.float64)
        return numbers.abs() + 0.2 if positive else numbers

    return draw


def integers(high: int, *shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randint(high, shape)


def flags(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.rand(*shape) > 0.5


@dataclass(frozen=True)
class Case:
    """One call of an operator: arguments by schema name; functions draw tensors."""

    op: str
    arguments: dict[str, Any] = field(default_factory=dict)
    overload: str = "default"

    def __str__(self) -> str:
        return f"{self.op}.{self.overload}"


A, B, ROW, POS = tensor(3, 4), tensor(3, 4), tensor(4), tensor(3, 4, positive=True)
IMAGE, KERNEL = tensor(2, 4, 7, 6), tensor(6, 4, 3, 2)
CONV = {
    "stride": [2, 1],
    "padding": [1, 0],
    "dilation": [1, 2],
    "transposed": False,
    "output_padding": [0, 0],
    "groups": 1,
}
BATCH_NORM = {
    "weight": tensor(4),
    "bias": tensor(4),
    "running_mean": None,
    "running_var": None,
    "training": True,
    "momentum": 0.1,
    "eps": 1e-5,
}

CASES = [
    *(Case(op, {"self": A}) for op in (
        "abs", "clone", "cos", "exp", "neg", "relu", "sigmoid", "silu", "sin", "tanh")),
    *(Case(op, {"self": POS}) for op in ("log", "reciprocal", "rsqrt", "sqrt")),
    *(Case(op, {"self": A, "other": B}, "Tensor") for op in ("add", "div", "mul", "sub")),
    *(Case(op, {"self": A, "other": ROW, "alpha": 2.5}, "Tensor") for op in ("add", "sub")),
    Case("mul", {"self": tensor(3, 1), "other": ROW}, "Tensor"),
    Case("div", {"self": ROW, "other": POS}, "Tensor"),
    Case("rsub", {"self": A, "other": B, "alpha": 1.5}, "Tensor"),
    *(Case(op, {"self": A, "other": B}) for op in ("maximum", "minimum")),
    Case("pow", {"self": A, "exponent": 2}, "Tensor_Scalar"),
    Case("pow", {"self": POS, "exponent": -1.5}, "Tensor_Scalar"),
    Case("pow", {"self": POS, "exponent": B}, "Tensor_Tensor"),
    Case("clamp", {"self": A, "min": -0.5, "max": 0.7}),
    Case("clamp", {"self": A, "min": 0.1}),
    Case("gelu", {"self": A}),
    Case("gelu", {"self": A, "approximate": "tanh"}),
    Case("leaky_relu", {"self": A, "negative_slope": 0.2}),
    Case("where", {"condition": flags(3, 4), "self": A, "other": ROW}, "self"),
    Case("mm", {"self": tensor(5, 3), "mat2": A}),
    Case("bmm", {"self": tensor(2, 5, 3), "mat2": tensor(2, 3, 4)}),
    Case("mv", {"self": A, "vec": ROW}),
    Case("dot", {"self": ROW, "tensor": ROW}),
    Case("addmm", {"self": ROW, "mat1": tensor(5, 3), "mat2": A}),
    Case("addmm", {"self": tensor(5, 4), "mat1": tensor(5, 3), "mat2": A,
                   "beta": 0.5, "alpha": 3}),
    Case("sum", {"self": A}),
    Case("sum", {"self": A, "dim": [0]}, "dim_IntList"),
    Case("sum", {"self": A, "dim": [-1], "keepdim": True}, "dim_IntList"),
    Case("mean", {"self": A}),
    Case("mean", {"self": tensor(2, 3, 4), "dim": [0, 2]}, "dim"),
    Case("max", {"self": A}),
    Case("max", {"self": A, "dim": 1}, "dim"),
    Case("max", {"self": A, "dim": 0, "keepdim": True}, "dim"),
    Case("amax", {"self": A, "dim": [1]}),
    Case("t", {"self": A}),
    Case("t", {"self": ROW}),
    Case("transpose", {"self": tensor(2, 3, 4), "dim0": 0, "dim1": 2}, "int"),
    Case("permute", {"self": tensor(2, 3, 4), "dims": [1, -1, 0]}),
    *(Case(op, {"self": A, "size": [2, 6]}) for op in ("view", "_unsafe_view")),
    Case("_reshape_alias", {"self": A, "size": [2, 6], "stride": [6, 1]}),
    Case("expand", {"self": tensor(3, 1), "size": [2, 3, 4]}),
    Case("squeeze", {"self": tensor(3, 1, 2), "dim": 1}, "dim"),
    Case("unsqueeze", {"self": A, "dim": -1}),
    Case("select", {"self": A, "dim": 1, "index": -2}, "int"),
    Case("slice", {"self": A, "dim": 1, "start": 1, "end": 9, "step": 2}, "Tensor"),
    Case("index", {"self": A, "indices": [integers(3, 5)]}, "Tensor"),
    Case("index", {"self": A, "indices": [None, integers(4, 6)]}, "Tensor"),
    Case("cat", {"tensors": [A, tensor(2, 4), tensor(1, 4)], "dim": 0}),
    Case("stack", {"tensors": [A, B], "dim": 1}),
    Case("embedding", {"weight": tensor(7, 3), "indices": integers(7, 2, 5), "padding_idx": 2}),
    *(Case(op, {"self": A, "dim": -1, "half_to_float": False})
      for op in ("_softmax", "_log_softmax")),
    *(Case("nll_loss_forward", {"self": A, "target": integers(4, 3), "weight": weight,
                                "reduction": reduction, "ignore_index": -100})
      for weight, reduction in ((None, 1), (tensor(4, positive=True), 1), (None, 2))),
    *(Case("binary_cross_entropy_with_logits", {
        "self": A, "target": tensor(3, 4, positive=True), "weight": weight,
        "pos_weight": pos, "reduction": reduction})
      for weight, pos, reduction in ((None, None, 1), (tensor(4, positive=True), None, 2),
                                     (None, tensor(4, positive=True), 1), (None, None, 0))),
    Case("mse_loss", {"self": A, "target": B}),
    Case("mse_loss", {"self": A, "target": B, "reduction": 2}),
    Case("native_dropout", {"input": tensor(9, 9), "p": 0.3, "train": True}),
    Case("native_layer_norm", {"input": tensor(5, 3, 4), "normalized_shape": [3, 4],
                               "weight": A, "bias": B, "eps": 1e-5}),
    Case("native_batch_norm", {"input": IMAGE, **BATCH_NORM}),
    Case("native_batch_norm", {"input": tensor(9, 4), **BATCH_NORM, "training": False,
                               "running_mean": lambda: torch.zeros(4, dtype=torch.float64),
                               "running_var": lambda: torch.ones(4, dtype=torch.float64)}),
    Case("_native_batch_norm_legit", {
        "input": IMAGE, **BATCH_NORM,
        "running_mean": lambda: torch.zeros(4, dtype=torch.float64),
        "running_var": lambda: torch.ones(4, dtype=torch.float64)}),
    Case("convolution", {"input": IMAGE, "weight": KERNEL, "bias": tensor(6), **CONV}),
    Case("convolution", {"input": IMAGE, "weight": tensor(6, 2, 3, 2), "bias": None,
                         **CONV, "groups": 2}),
    Case("convolution", {"input": tensor(2, 4, 9), "weight": tensor(3, 4, 2), "bias": tensor(3),
                         "stride": [2], "padding": [1], "dilation": [1], "transposed": False,
                         "output_padding": [0], "groups": 1}),
    Case("max_pool2d_with_indices", {"self": IMAGE, "kernel_size": [3, 3], "stride": [2, 2],
                                     "padding": [1, 1]}),
]  # fmt: skip


def drawn(item: Any) -> Any:
    if isinstance(item, list):
        return [drawn(each) for each in item]
    return item() if callable(item) else item


def plain(item: Any) -> Any:
    if isinstance(item, list):
        return [plain(each) for each in item]
    return item.detach().numpy() if isinstance(item, torch.Tensor) else item


def given(arguments: dict[str, Any], results: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    found = {name: plain(item) for name, item in arguments.items()}
    names = ["result", *(f"result{place}" for place in range(1, len(results)))]
    return found | {name: plain(item) for name, item in zip(names, results, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_gives_what_autograd_gives(case: Case) -> None:
    torch.manual_seed(7)
    arguments = {name: drawn(item) for name, item in case.arguments.items()}
    rules = RULES[case.op]
    for name in rules:
        for leaf in arguments[name] if isinstance(arguments[name], list) else [arguments[name]]:
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                leaf.requires_grad_()
    outputs = getattr(getattr(aten, case.op), case.overload)(**arguments)
    results = outputs if isinstance(outputs, tuple) else (outputs,)
    results[0].backward(grad := torch.randn_like(results[0]))
    known = given(arguments, results)
    checked = 0
    for name, rule in rules.items():
        listed = isinstance(arguments[name], list)
        for position, leaf in enumerate(arguments[name] if listed else [arguments[name]]):
            if isinstance(leaf, torch.Tensor) and leaf.grad is not None:
                found = rule.gradient(
                    grad.numpy(), known | {"position": position}, tuple(leaf.shape)
                )
                np.testing.assert_allclose(found, leaf.grad.numpy(), rtol=1e-9, atol=1e-10)
                checked += 1
    assert checked


def test_every_rule_is_tested() -> None:
    assert {case.op for case in CASES} == set(RULES)


def test_rules_are_short_and_name_only_arguments() -> None:
    for operator, rules in RULES.items():
        for argument, rule in rules.items():
            assert len(write(rule.named({}), TEXTBOOK)) < 70, (operator, argument)
            assert len(rule.why) < 80, (operator, argument)
            names = {part.text for part in walk(rule.formula) if isinstance(part, Name)}
            packet = getattr(aten, operator)
            schemas = [getattr(packet, each)._schema for each in packet.overloads()]
            schema = {each.name for one in schemas for each in one.arguments}
            assert names <= schema | {"G", "n", "result", "mask"}, (operator, argument)


@pytest.mark.parametrize("operator", RULES)
def test_a_rule_of_single_elements_is_worked_out_from_its_numbers_alone(operator: str) -> None:
    for rule in RULES[operator].values():
        calls = [part for part in walk(rule.formula) if isinstance(part, Call)]
        if all(call.function.pointwise for call in calls):
            shown = visible(rule.named({}))
            filled = substituted(shown, lambda _: digits("0.5"))
            assert np.ndim(evaluate(filled, {})) == 0


def worded(op: str, argument: str, **names: Any) -> str:
    given = {key: name if isinstance(name, Expr) else Name(name) for key, name in names.items()}
    return write(RULES[op][argument].named(given), TEXTBOOK)


def test_a_factor_of_one_is_not_written() -> None:
    assert worded("sub", "other") == worded("sub", "other", alpha=digits("1")) == "-G"
    assert worded("sub", "other", alpha=digits("1.5")) == "-G · 1.5"


def test_a_square_has_no_power_left_to_write() -> None:
    assert worded("pow", "self", self="x", exponent=digits("2")) == "G · 2 · x"
    assert worded("pow", "self", self="x", exponent=digits("3")) == "G · 3 · x²"
    assert worded("pow", "self", self="x", exponent="e") == "G · e · x ** (e - 1)"


def test_what_is_settled_by_the_call_is_not_asked() -> None:
    assert worded("clamp", "self", self="x", min=digits("0")) == "G where 0 ≤ x, else 0"
    assert worded("clamp", "self", self="x", min=Word("None"), max=digits("1")) == (
        "G where x ≤ 1, else 0"
    )
    assert worded("native_dropout", "input", p=digits("0.1")) == "G · mask / (1 - 0.1)"
    assert worded("mse_loss", "self", self="x", target="y", n=digits("1")) == "G · 2 · (x - y)"


def test_batch_norm_keeps_its_weight_in_every_term() -> None:
    names = {"input": "x", "weight": "w", "training": Word("True")}
    for op in ("native_batch_norm", "native_layer_norm"):
        assert worded(op, "input", **names) == ("(w · G - mean(w · G) - x̂ · mean(w · G · x̂)) / std")
        assert worded(op, "input", **{**names, "weight": Word("None")}) == (
            "(G - mean(G) - x̂ · mean(G · x̂)) / std"
        )
    assert worded("native_batch_norm", "input", **{**names, "training": Word("False")}) == (
        "w · G / std"
    )
