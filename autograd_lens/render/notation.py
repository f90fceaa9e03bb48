"""Operators as a textbook writes them: ``x @ w1``, ``(y_pred - y)²``, ``mean(t8)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autograd_lens.trace.arithmetic import Term, atom, combine, number
from autograd_lens.trace.graph import is_spoken, operator_name
from autograd_lens.trace.records import Argument, Constant, Kernel, TensorUse

__all__ = ["notation", "results"]

NameOf = Callable[[TensorUse], str]
Arguments = Mapping[str, Term]

_SHORT = 4  # longer exponents are hard to read when raised
_SUPERSCRIPTS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")

# What PyTorch calls its kernels, and what the user called.
_SPOKEN_NAMES: Mapping[str, str] = {
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_log_softmax": "log_softmax",
    "_scaled_dot_product_flash_attention_for_cpu": "attention",
    "_softmax": "softmax",
    "_unsafe_view": "view",
    "convolution": "conv",
    "max_pool2d_with_indices": "max_pool2d",
    "native_batch_norm": "batch_norm",
    "_native_batch_norm_legit": "batch_norm",
    "native_dropout": "dropout",
    "native_layer_norm": "layer_norm",
    "nll_loss_forward": "nll_loss",
    "threshold": "relu",
}
# Tensors of these say it all; their many constants would bury the names.
_TENSORS_ONLY = frozenset(
    {
        *("_native_batch_norm_legit", "convolution", "embedding", "native_batch_norm"),
        *("native_layer_norm", "nll_loss_forward"),
    }
)
_ARITHMETIC = frozenset(
    {
        *("add", "addcdiv", "addcmul", "addmm", "bmm", "clone", "copy", "div", "dot", "fill"),
        *("lerp", "matmul", "mm", "mul", "mv", "neg", "reciprocal", "rsub", "select", "slice"),
        *("sub",),
    }
)


def notation(kernel: Kernel, name_of: NameOf) -> str:
    """What a kernel computes, written with the names of its tensors.

    Args:
        kernel: The kernel.
        name_of: Gives the name of a tensor.
    """
    operator = operator_name(kernel).removesuffix("_")
    dtype = kernel.outputs[0].spec.dtype if kernel.outputs else "float32"
    arguments = {
        argument.name: _term(argument.value, name_of, dtype)
        for argument in kernel.inputs
        if is_spoken(argument)
    }
    rule = _RULES.get(operator)
    if rule is not None:
        return rule(arguments)
    if operator in _ARITHMETIC:
        return combine(operator, arguments).text
    return _call(operator, kernel.inputs, arguments)


def results(kernel: Kernel, name_of: NameOf) -> str:
    """Names of what a kernel made, with commas."""
    return ", ".join(name_of(use) for use in kernel.outputs)


def _term(
    item: TensorUse | Constant | tuple[TensorUse | Constant, ...], name_of: NameOf, dtype: str
) -> Term:
    if isinstance(item, TensorUse):
        return atom(name_of(item))
    if isinstance(item, Constant):
        return number(item.value, dtype)
    listed = ", ".join(_term(each, name_of, dtype).text for each in item)
    single = len(item) == 1 and isinstance(item[0], Constant)  # dim=[0] reads dim=0
    return atom(listed if single else f"[{listed}]")


def _call(operator: str, inputs: tuple[Argument, ...], arguments: Arguments) -> str:
    said = [argument for argument in inputs if argument.name in arguments]
    given = [arguments[argument.name].text for argument in said if _has_tensors(argument)]
    if operator not in _TENSORS_ONLY:
        settings = {each.name: arguments[each.name].text for each in said if not _has_tensors(each)}
        given += [f"{name}={text}" for name, text in settings.items() if text != "False"]
    return f"{_SPOKEN_NAMES.get(operator, operator)}({', '.join(given)})"


def _has_tensors(argument: Argument) -> bool:
    items = argument.value if isinstance(argument.value, tuple) else (argument.value,)
    return any(isinstance(item, TensorUse) for item in items)


def _power(arguments: Arguments) -> str:
    base, exponent = list(arguments.values())[:2]
    text = exponent.text.removesuffix(".0")
    if exponent.constant is None or "e" in text or len(text) > _SHORT:
        return f"{base.text} ** {text}"
    return f"{base.text}{text.translate(_SUPERSCRIPTS)}"


def _transposed(arguments: Arguments) -> str:
    return f"{next(iter(arguments.values())).text}ᵀ"


_RULES: Mapping[str, Callable[[Arguments], str]] = {
    "pow": _power,
    "sqrt": lambda arguments: f"√{next(iter(arguments.values())).text}",
    "square": lambda arguments: f"{next(iter(arguments.values())).text}²",
    "t": _transposed,
}
