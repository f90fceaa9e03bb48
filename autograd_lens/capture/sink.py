"""What a recorder writes to: a trace, or something that compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from autograd_lens.trace.budget import Budget
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.tape import Template
from autograd_lens.trace.window import Forgotten

__all__ = ["RowSink", "Sink"]


class RowSink(Protocol):
    """Takes light rows."""

    def append(self, row: Any, /) -> None:
        """Take one row, see ``trace.rows.Row``."""


class Sink(Protocol):
    """The part of ``TraceWriter`` that a recorder uses."""

    @property
    def budget(self) -> Budget:
        """How much there is room for."""

    @property
    def rows(self) -> RowSink:
        """Where light rows go."""

    def parameter(self, index: int, parameter: Parameter) -> None:
        """Define what rows hold at an index."""

    def source(self, file: str, text: str) -> None:
        """Keep a source file."""

    def graph(self, graph: LightGraph) -> int:
        """Define what rows of one graph have in common."""

    def template(self, template: Template, number: int | None = None) -> int:
        """Define the structure of a full step, or more of the one that has a number."""

    def full(self, step: int, template: int, slots: list[Any], *, lean: bool = False) -> None:
        """Write a full step, or a lean one."""

    def dot(self, template: int, backward: int, text: str) -> None:
        """Keep torchviz's drawing of a graph."""

    def event(self, event: Event) -> None:
        """Note something that happened to the run."""

    def extra(self, key: str, data: bytes) -> None:
        """Keep something under a name."""

    def forget(self, gone: Forgotten) -> None:
        """Let go of what old steps alone need, when what came so far is written."""

    def keep(self, step: int, values: Sequence[bytes]) -> None:
        """Keep large values for a step, to be found by their digest; none: let go of them."""
