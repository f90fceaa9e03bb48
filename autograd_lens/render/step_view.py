"""What the sections of a printed step share: options, names, lines of code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from rich.text import Text

from autograd_lens.analysis.names import tensor_names
from autograd_lens.render.layout import CODE, QUIET, line
from autograd_lens.trace.expression import notation, results
from autograd_lens.trace.records import Kernel, Phase, Source, Step, TensorUse

__all__ = ["PHASES", "StepView", "TraceLike", "TraceOptions"]

PHASES: tuple[Phase, ...] = ("forward", "backward", "update", "zero_grad")


class TraceLike(Protocol):
    """The part of a trace that gives source text."""

    def source(self, file: str) -> str | None:
        """Stored text of a source file."""

    def line(self, source: Source | None) -> str:
        """The stripped line of code."""


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How a step is printed.

    Attributes:
        phases: Sections to print.
        kernels: Whether every ATen kernel is shown.
        width: Columns of the terminal.
    """

    phases: tuple[Phase, ...] = PHASES
    kernels: bool = False
    width: int = 80


@dataclass(frozen=True)
class StepView:
    """One step with all that its sections ask for.

    Attributes:
        step: The step.
        trace: The trace it belongs to.
        options: How to print it.
    """

    step: Step
    trace: TraceLike
    options: TraceOptions

    @cached_property
    def _names(self) -> dict[int, str]:
        return dict(tensor_names(self.step.kernels, self.trace.source))

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self.options.width

    def name(self, use: TensorUse) -> str:
        """A tensor's name in the program, else ``t`` and its number."""
        return self.name_of(use.tensor)

    def name_of(self, tensor: int) -> str:
        """The name of the tensor with this id."""
        return self._names.get(tensor) or f"t{tensor}"

    def notation(self, kernel: Kernel) -> str:
        """What a kernel computes, in textbook notation."""
        return notation(kernel, self.name)

    def results(self, kernel: Kernel) -> str:
        """Names of what a kernel made."""
        return results(kernel, self.name)

    def code(self, source: Source | None, note: str = "") -> Text:
        """A line of the program, with its number before the bar."""
        if source is None:
            return line(note or "(no line of the program)", style=QUIET)
        code = self.trace.line(source) or f"{source.file}, line {source.line}"
        text = line(code, str(source.line), style=CODE)
        return text.append(f"  {note}", style=QUIET) if note else text
