"""Operators and constants of a tape, looked up by name.

NOTE 1 [A name is not a licence]: a trace may come from a stranger, so a name in it must never
reach more than PyTorch's own tensor operators. Names are looked up in a fixed list of
namespaces, in what is registered there already; nothing is imported, whatever the file says.
The two ATen operators that open files (``from_file``, ``save``) are left out.

NOTE 2 [Drawing again without drawing]: a loss surface compares losses at different parameters,
so all of its points must see the same dropout masks and noise: those that were recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.values import to_device, to_dtype
from autograd_lens.trace.records import Constant

__all__ = [
    "LAYOUTS",
    "NAMESPACES",
    "check_names",
    "draws",
    "find_operator",
    "has_node",
    "is_composite",
    "is_view",
    "repeat_draw",
    "to_constant",
    "writes_to",
]

NAMESPACES = frozenset(
    {"aten", "mkl", "mkldnn", "prims", "quantized", "quantized_decomposed", "torchvision"}
)
_OPENS_FILES = frozenset({"from_file", "save"})
_RUNNING = frozenset({"running_mean", "running_var"})

_MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
    "contiguous_format": torch.contiguous_format,
    "preserve_format": torch.preserve_format,
}
LAYOUTS = {
    "sparse_bsc": torch.sparse_bsc,
    "sparse_bsr": torch.sparse_bsr,
    "sparse_coo": torch.sparse_coo,
    "sparse_csc": torch.sparse_csc,
    "sparse_csr": torch.sparse_csr,
    "strided": torch.strided,
}


def find_operator(name: str) -> torch._ops.OpOverload:
    """The operator of a recorded name, for example ``"aten.mm.default"``.

    Raises:
        ReplayError: It is not registered here, or is not one that a tape may call.
    """
    namespace, _, rest = name.partition(".")
    base, _, overload = rest.rpartition(".")
    if namespace not in NAMESPACES or base in _OPENS_FILES:
        msg = f"The operator {name!r} cannot be replayed: it is not one of PyTorch's own."
        raise ReplayError(msg, hint=f"Tapes may call {', '.join(sorted(NAMESPACES))}.")
    packet = getattr(getattr(torch.ops, namespace), base, None)
    if isinstance(packet, torch._ops.OpOverloadPacket) and overload in packet.overloads():
        found = getattr(packet, overload)
        if isinstance(found, torch._ops.OpOverload):
            return found
    msg = f"This torch ({torch.__version__}) has no operator {name!r}."
    raise ReplayError(msg, hint="Open the trace with the version that recorded it.")


def check_names(operator: torch._ops.OpOverload, given: Collection[str]) -> None:
    """Refuse arguments that an operator does not take, or a call without one that it needs.

    Args:
        operator: The operator.
        given: The names of the arguments.

    Raises:
        ReplayError: It was not called so, as in a file that somebody changed.
    """
    declared = operator._schema.arguments
    needed = {one.name for one in declared if not one.has_default_value()}
    wrong = sorted((needed - {*given}) | ({*given} - {one.name for one in declared}))
    if wrong:
        names = ", ".join(wrong)
        msg = f"{operator} cannot have been called so: {names} is missing or none of its arguments."
        raise ReplayError(msg, hint="Record the run again, or use another copy.")


def writes_to(operator: torch._ops.OpOverload) -> frozenset[str]:
    """The names of the arguments that an operator changes in place."""
    schema = operator._schema
    declared = frozenset(
        argument.name
        for argument in schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    # The older batch norms update their running statistics and their schemas do not say so.
    return declared | _RUNNING if schema.name.endswith("batch_norm") else declared


def is_composite(operator: torch._ops.OpOverload) -> bool:
    """Whether PyTorch takes an operator apart into others, which autograd follows."""
    return _has_kernel(operator, "CompositeImplicitAutograd")


def has_node(operator: torch._ops.OpOverload) -> bool:
    """Whether autograd may follow an operator as it is, with a node of its own."""
    return _has_kernel(operator, "Autograd")


def _has_kernel(operator: torch._ops.OpOverload, key: str) -> bool:
    try:
        return operator.has_kernel_for_dispatch_key(getattr(torch._C.DispatchKey, key))
    except RuntimeError:  # one that Python alone has, as those of symbolic sizes
        return False


def to_constant(constant: Constant, *, operator: str) -> object:
    """The Python or torch object that a recorded constant stands for.

    A generator becomes None, the default one: which numbers were drawn does not follow from
    the argument.

    Args:
        constant: The constant.
        operator: The operator it is given to, for errors.

    Raises:
        ReplayError: It could not be written down when it was recorded.
    """
    name = constant.value
    match constant.kind:
        case "scalar":
            return name
        case "dtype":
            return to_dtype(str(name))
        case "device":
            return to_device(str(name))
        case "generator":
            return None
        case "memory_format" if name in _MEMORY_FORMATS:
            return _MEMORY_FORMATS[str(name)]
        case "layout" if name in LAYOUTS:
            return LAYOUTS[str(name)]
    msg = f"{operator} was given {constant.kind} {name!r}, which a trace cannot give back."
    raise ReplayError(msg, hint="Run the program again to see this step.")


def is_view(operator: torch._ops.OpOverload) -> bool:
    """Whether an operator's results share the memory of an argument."""
    return any(
        one.alias_info is not None and not one.alias_info.is_write
        for one in operator._schema.arguments
    )


# -- random numbers ---------------------------------------------------------------------------

# What these return depends on sizes and on how likely what is, not on activations.
_SOURCES = frozenset(
    {
        "bernoulli",
        "bernoulli_",
        "binomial",
        "cauchy_",
        "exponential_",
        "geometric_",
        "log_normal_",
        "multinomial",
        "normal",
        "normal_",
        "normal_functional",
        "poisson",
        "rand",
        "rand_like",
        "randint",
        "randint_like",
        "randn",
        "randn_like",
        "random",
        "random_",
        "randperm",
        "uniform",
        "uniform_",
    }
)
_DROPOUT_ARGUMENTS = ("dropout_p", "dropout")


def draws(operator: torch._ops.OpOverload, arguments: Mapping[str, object]) -> bool:
    """Whether a call draws random numbers: with dropout switched off it does not.

    Args:
        operator: The operator.
        arguments: Those of its arguments that are constants, by name.
    """
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    if arguments.get("train") is False or arguments.get("training") is False:
        return False
    names = {argument.name: argument for argument in operator._schema.arguments}
    for name in _DROPOUT_ARGUMENTS:
        if name in names:
            default = names[name].default_value if names[name].has_default_value() else None
            return bool(arguments.get(name, default) != 0.0)
    return True


def repeat_draw(
    operator: torch._ops.OpOverload,
    arguments: Mapping[str, Any],
    recorded: Sequence[torch.Tensor | None],
) -> Any:
    """The results of a call with the random numbers that were drawn when it was recorded.

    Args:
        operator: The operator, one that ``draws``.
        arguments: Its arguments by name.
        recorded: Its results as they were recorded.

    Raises:
        ReplayError: The numbers drawn do not follow from the results.
    """
    base = operator._schema.name.partition("::")[2]
    if base == "native_dropout" and recorded[1] is not None:
        kept = recorded[1].to(arguments["input"].dtype)
        return arguments["input"] * kept / (1 - arguments["p"]), recorded[1]
    if base not in _SOURCES or any(result is None for result in recorded):
        msg = f"{operator} draws random numbers inside, so its recorded draw cannot be used again."
        raise ReplayError(msg, hint="Record the run with the model in eval mode.")
    if base.endswith("_"):
        return arguments["self"].copy_(recorded[0])
    return recorded[0]
