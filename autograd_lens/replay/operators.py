"""Operators and constants of a tape, looked up by name.

NOTE 1 [A name is not a licence]: a trace may come from a stranger, so a name in it must never
reach more than PyTorch's own tensor operators. Names are looked up in a fixed list of
namespaces, in what is registered there already; nothing is imported, whatever the file says.
The two ATen operators that open files (``from_file``, ``save``) are left out.
"""

from __future__ import annotations

from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.values import to_device, to_dtype
from autograd_lens.trace.records import Constant

__all__ = ["NAMESPACES", "find_operator", "to_constant", "writes_to"]

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
_LAYOUTS = {
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


def to_constant(constant: Constant, *, operator: str) -> Any:
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
        case "layout" if name in _LAYOUTS:
            return _LAYOUTS[str(name)]
    msg = f"{operator} was given {constant.kind} {name!r}, which a trace cannot give back."
    raise ReplayError(msg, hint="Run the program again to see this step.")
