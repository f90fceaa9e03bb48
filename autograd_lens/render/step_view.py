"""One step with all that its faces ask for: names, notation, stories, lines of code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from rich.text import Text

from autograd_lens.analysis.cursor import States
from autograd_lens.analysis.events import step_events
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Stories
from autograd_lens.render.graph_text import SourceOf
from autograd_lens.render.graph_text import line as code_line
from autograd_lens.render.layout import CODE, QUIET, line
from autograd_lens.trace.expression import notation, results
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Kernel, Phase, Source, Step
from autograd_lens.trace.values import Value

__all__ = ["PHASES", "StepView", "TraceOptions"]

PHASES: tuple[Phase, ...] = ("forward", "backward", "update", "zero_grad")


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
    """One step, ready to be shown.

    Attributes:
        step: The step.
        source: Gives the text of a source file.
        options: How to print it.
    """

    step: Step
    source: SourceOf
    options: TraceOptions = TraceOptions()

    @cached_property
    def index(self) -> TapeIndex:
        """The step's tape."""
        return TapeIndex(self.step)

    @cached_property
    def names(self) -> Names:
        """Names of the step's tensors."""
        return Names(self.step.kernels, self.source)

    @cached_property
    def cleared(self) -> Mapping[int, Value | None]:
        """What each clearing of the step found in ``.grad``, by its position."""
        return States(self.step, step_events(self.step)).cleared()

    def stories(self, backward: int = -1) -> Stories:
        """The stories of one backward's nodes."""
        return Stories(self.index, self.names, backward)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self.options.width

    def notation(self, kernel: Kernel) -> str:
        """What a kernel computes, in textbook notation."""
        return notation(kernel, self.names)

    def results(self, kernel: Kernel) -> str:
        """Names of what a kernel made."""
        return results(kernel, self.names)

    def made(self, kernel: Kernel) -> str:
        """Names of what a kernel made; ``""`` where they say no more than its notation."""
        return self.names.made(kernel)

    def computation(self, kernel: Kernel) -> str:
        """``x @ w1 → t2``."""
        made = self.made(kernel)
        return f"{self.notation(kernel)} → {made}" if made else self.notation(kernel)

    def line(self, source: Source | None) -> str:
        """The stripped line, or lines, of code; ``""`` where they are not known."""
        return code_line(source, self.source)

    def code(self, source: Source | None, note: str = "") -> Text:
        """A line of the program, with its number before the bar."""
        if source is None:
            return line(note or "(no line of the program)", style=QUIET)
        text = line(self.line(source) or _function(source), str(source.line), style=CODE)
        return text.append(f"  {note}", style=QUIET) if note else text

    def place(self, source: Source | None) -> str:
        """``line 12``, with the file where it is not the one that called backward."""
        if source is None:
            return ""
        own = source.file == self._file
        return f"line {source.line}" if own else f"{PurePath(source.file).name}, line {source.line}"

    @cached_property
    def several_files(self) -> bool:
        """Whether the step's code stands in more than one file."""
        return len({each.source.file for each in self.step.kernels if each.source}) > 1

    @cached_property
    def _file(self) -> str:
        calls = [each.source for each in self.step.backwards if each.source]
        calls += [each.source for each in self.step.kernels if each.source]
        return calls[0].file if calls else ""


def _function(source: Source) -> str:
    """Where the code stands that is not known."""
    file = PurePath(source.file).name
    return f"({file})" if source.function in {"", "<module>"} else f"({source.function}, {file})"
