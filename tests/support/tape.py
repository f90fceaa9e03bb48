"""Builds tapes by hand: kernels with tensor ids, sources and NumPy values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autograd_lens.trace.records import (
    Argument,
    Constant,
    Kernel,
    Phase,
    Role,
    Source,
    TensorSpec,
    TensorUse,
)
from autograd_lens.trace.values import Value
from tests.support.linear_program import source


def value(array: Any) -> Value:
    """An array as a recorded value; Python numbers become float32 scalars."""
    array = np.asarray(array, np.float32) if isinstance(array, float) else np.asarray(array)
    return Value(array.dtype.name, array.shape, array.tobytes())


@dataclass
class Tape:
    """Collects kernels; hands out tensor and kernel indexes."""

    kernels: list[Kernel] = field(default_factory=list)
    tensors: int = 0
    phase: Phase = "forward"
    node: int | None = None
    source: Source | None = None
    module: str = ""

    def tensor(self, array: Any, name: str = "", role: Role = "intermediate") -> TensorUse:
        """A tensor that the step has not seen before."""
        recorded = value(array)
        spec = TensorSpec(name, recorded.shape, recorded.dtype, "cpu", role)
        self.tensors += 1
        return TensorUse(self.tensors - 1, spec, recorded)

    def run(self, op: str, inputs: Mapping[str, Any], *outputs: TensorUse) -> TensorUse:
        """Append ``aten.<op>`` and return its first output."""
        arguments = tuple(Argument(name, _encoded(given)) for name, given in inputs.items())
        kernel = Kernel(
            index=len(self.kernels),
            op=f"aten.{op}",
            inputs=arguments,
            outputs=outputs,
            phase=self.phase,
            node=self.node,
            backward=0,
            source=self.source,
            module=self.module,
        )
        self.kernels.append(kernel)
        return outputs[0]

    def at(self, snippet: str, node: int | None = None, module: str = "") -> Tape:
        """Say where the next kernels come from."""
        self.source, self.node, self.module = source(snippet), node, module
        return self


def _encoded(given: Any) -> Any:
    if isinstance(given, TensorUse | Constant):
        return given
    if isinstance(given, list | tuple):
        return tuple(_encoded(item) for item in given)
    return Constant("scalar", given)


def written(use: TensorUse, array: Any) -> TensorUse:
    """The same tensor with another value, as an in-place kernel returns it."""
    return replace(use, value=value(array))
