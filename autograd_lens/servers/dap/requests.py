"""Arguments of the requests that are answered, as the protocol names them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from autograd_lens.errors import LensError

__all__ = [
    "Evaluate",
    "ExceptionFilter",
    "FunctionBreakpoint",
    "InFrame",
    "Initialize",
    "Launch",
    "LineBreakpoint",
    "Move",
    "Nothing",
    "SetBreakpoints",
    "SetExceptionBreakpoints",
    "SetFunctionBreakpoints",
    "SourceOf",
    "SourceText",
    "StackTrace",
    "Variables",
    "understood",
]

T = TypeVar("T")


class Nothing(msgspec.Struct, rename="camel"):
    """A request without arguments that matter here."""


class Initialize(msgspec.Struct, rename="camel"):
    """What the client can do.

    Attributes:
        lines_start_at1: Whether it counts lines from 1.
        columns_start_at1: Whether it counts columns from 1.
        supports_variable_paging: Whether it asks for parts of long lists.
    """

    lines_start_at1: bool = msgspec.field(default=True, name="linesStartAt1")
    columns_start_at1: bool = msgspec.field(default=True, name="columnsStartAt1")
    supports_variable_paging: bool = False


class Launch(msgspec.Struct, rename="camel"):
    """Which recording to walk through.

    Attributes:
        trace: The file; ``""`` for the latest recording of the folder.
        at: Where to begin: ``"12"``, ``"last"``, ``"12:backward"``, ``"12:k7"``.
        stop_on_entry: Whether to stop there, or at the first breakpoint.
        replay: Whether light steps are opened in full.
    """

    trace: str = ""
    at: str | int = "0"
    stop_on_entry: bool = True
    replay: bool = True


class SourceOf(msgspec.Struct, rename="camel"):
    """A source file.

    Attributes:
        path: Its path, where it has one on the client's disk.
        source_reference: Our number of its recorded text; 0 for none.
    """

    path: str | None = None
    source_reference: int | None = 0


class LineBreakpoint(msgspec.Struct, rename="camel"):
    """A breakpoint on a line.

    Attributes:
        line: The line.
        condition: In which steps it holds; ``""`` for all.
    """

    line: int
    condition: str | None = ""


class SetBreakpoints(msgspec.Struct, rename="camel"):
    """All breakpoints of one file."""

    source: SourceOf
    breakpoints: list[LineBreakpoint] | None = None


class FunctionBreakpoint(msgspec.Struct, rename="camel"):
    """A breakpoint on a name: of a node, or a condition.

    Attributes:
        name: ``MmBackward0``, or ``loss > 10``.
        condition: In which steps it holds; ``""`` for all.
    """

    name: str
    condition: str | None = ""


class SetFunctionBreakpoints(msgspec.Struct, rename="camel"):
    """All breakpoints on names."""

    breakpoints: list[FunctionBreakpoint]


class ExceptionFilter(msgspec.Struct, rename="camel"):
    """A filter with its condition."""

    filter_id: str
    condition: str | None = ""


class SetExceptionBreakpoints(msgspec.Struct, rename="camel"):
    """Which filters are on."""

    filters: list[str]
    filter_options: list[ExceptionFilter] | None = None


class SourceText(msgspec.Struct, rename="camel"):
    """A request for a recorded text."""

    source_reference: int
    source: SourceOf | None = None


class StackTrace(msgspec.Struct, rename="camel"):
    """A part of the stack."""

    start_frame: int | None = 0
    levels: int | None = 0


class InFrame(msgspec.Struct, rename="camel"):
    """A request about a frame."""

    frame_id: int


class Variables(msgspec.Struct, rename="camel"):
    """A part of what is inside of something."""

    variables_reference: int
    start: int | None = 0
    count: int | None = 0


class Evaluate(msgspec.Struct, rename="camel"):
    """An expression to evaluate."""

    expression: str
    frame_id: int | None = None
    context: str = ""


class Move(msgspec.Struct, rename="camel"):
    """A step of the walk.

    Attributes:
        granularity: ``"instruction"`` for one event, whatever it belongs to.
    """

    granularity: str | None = "statement"


def understood(arguments: object, sort: type[T]) -> T:
    """Arguments as a record.

    Raises:
        LensError: They are not what the request takes.
    """
    try:
        return msgspec.convert(arguments if arguments is not None else {}, sort)
    except msgspec.ValidationError as error:
        msg = f"The request cannot be understood: {error}."
        raise LensError(msg) from error
