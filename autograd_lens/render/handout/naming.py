"""Tensors, operations and lines of code, as the program names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from autograd_lens.analysis.names import tensor_names
from autograd_lens.render.graph_text import code, shorten, shorten_call
from autograd_lens.trace.expression import notation, results
from autograd_lens.trace.records import Kernel, Source, Step, TensorUse

__all__ = ["Naming"]

_WIDTH = 44


@dataclass(frozen=True)
class Naming:
    """The names of one step.

    Attributes:
        step: The step.
        source: Gives the text of a source file.
    """

    step: Step
    source: Callable[[str], str | None]

    @cached_property
    def _names(self) -> dict[int, str]:
        return dict(tensor_names(self.step.kernels, self.source))

    def name(self, use: TensorUse) -> str:
        """A tensor's name, else ``t`` and its number."""
        return self._names.get(use.tensor) or f"t{use.tensor}"

    def operation(self, kernel: Kernel, width: int = _WIDTH) -> str:
        """``x @ w1 → t2``."""
        made = results(kernel, self.name)
        computed = shorten_call(notation(kernel, self.name), width)
        return f"{computed} → {shorten(made, 24)}" if made else computed

    def code(self, source: Source | None) -> str:
        """The expression, or the line."""
        return shorten(code(source, self.source), 60)
