"""The debug adapter: a client's requests, answered from a recorded run.

NOTE 1 [One walk, no program]: what a client calls a program is a recording. It is launched where
the recording is opened; nothing runs between two stops but our own reading and executing of
tapes, so that there is nothing to pause, and every move ends before the next request is read.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from autograd_lens.errors import LensError
from autograd_lens.render.step_view import StepView, TraceOptions
from autograd_lens.servers.dap import requests as asked
from autograd_lens.servers.dap.breakpoints import Breakpoints, Hit, Reason
from autograd_lens.servers.dap.evaluate import evaluated
from autograd_lens.servers.dap.items import Item
from autograd_lens.servers.dap.scopes import Frame, frames, scopes
from autograd_lens.servers.dap.sources import Sources
from autograd_lens.servers.dap.walk import Walk
from autograd_lens.servers.dap.wire import Message, read_message, write_message
from autograd_lens.servers.dap.wishes import FILTERS, Wishes
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Place
from autograd_lens.tui.session import Opened, Session

__all__ = ["Adapter", "Opens", "talk"]

Body = dict[str, object]
Opens = Callable[[asked.Launch], Trace]
Steps = Callable[[], bool]

_THREAD = 1  # a recording is of one
_WIDTH = 100  # columns of a title
_ABILITIES = {
    "supportsConfigurationDoneRequest": True,
    "supportsFunctionBreakpoints": True,
    "supportsConditionalBreakpoints": True,
    "supportsEvaluateForHovers": True,
    "supportsStepBack": True,
    "supportsSteppingGranularity": True,
    "supportsExceptionFilterOptions": True,
    "supportsExceptionInfoRequest": True,
    "supportsLoadedSourcesRequest": True,
    "supportsRestartRequest": True,
    "supportsTerminateRequest": True,
    "supportsDelayedStackTraceLoading": True,
}


@dataclass
class _Run:
    """A run that was launched.

    Attributes:
        session: Where we are.
        start: Where we began.
        stop_on_entry: Whether the first stop is there.
    """

    session: Session
    start: Place
    stop_on_entry: bool
    walk: Walk = field(init=False)
    breakpoints: Breakpoints = field(init=False)
    sources: Sources = field(init=False)
    wishes: Wishes = field(init=False)

    def __post_init__(self) -> None:
        self.walk = Walk(self.session)
        self.breakpoints = Breakpoints(self.session)
        self.sources = Sources(self.session.trace)
        self.wishes = Wishes(self.session, self.sources, self.breakpoints)


class Adapter:
    """Answers requests, one after the other.

    Args:
        opens: Opens the recording that a launch names.
        send: Takes what is to be written: responses and events.
    """

    def __init__(self, opens: Opens, send: Callable[[Message], None]) -> None:
        self._opens = opens
        self._send = send
        self._launched: _Run | None = None
        self._pages = False
        self._first_line = 1
        self._number = 0
        self._events: list[tuple[str, Body]] = []
        self._frames: list[Frame] = []
        self._view: StepView | None = None
        self._inside: list[Item] = []
        self._hit: Hit | None = None
        self._told: set[int] = set()
        self.ended = False
        """Whether the client has taken its leave."""

    def answer(self, message: Message) -> None:
        """Answer a message; what is no request is passed over."""
        if message.get("type") != "request":
            return
        command = message.get("command")
        handler = self._handlers.get(command) if isinstance(command, str) else None
        try:
            if handler is None:
                msg = f"This adapter does not answer {command!r}."
                raise LensError(msg)  # noqa: TRY301  words of the response below
            body: Body | None = handler(self, message.get("arguments"))
            outcome: Body = {"success": True, **({"body": body} if body is not None else {})}
        except LensError as error:
            outcome = _failure(str(error))
        except Exception as error:  # noqa: BLE001  torch raises anything, and the client waits
            traceback.print_exc()
            outcome = _failure(f"{type(error).__name__}: {error}")
        response = {"type": "response", "request_seq": message.get("seq"), "command": command}
        self._write({**response, **outcome})
        for name, event in self._taken():
            self._write({"type": "event", "event": name, "body": event})

    def _write(self, message: Message) -> None:
        self._number += 1
        self._send({"seq": self._number, **message})

    def _taken(self) -> list[tuple[str, Body]]:
        """The events that wait, which the response precedes."""
        waiting, self._events = self._events, []
        return waiting

    def _tell(self, name: str, **body: object) -> None:
        self._events.append((name, body))

    @property
    def _run(self) -> _Run:
        """The run.

        Raises:
            LensError: None was launched.
        """
        if self._launched is None:
            msg = "No recording is open."
            raise LensError(msg, hint='Launch one: {"request": "launch", "trace": "train.lens"}.')
        return self._launched

    # -- beginning and end ----------------------------------------------------------------

    def _initialize(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.Initialize)
        self._pages = given.supports_variable_paging
        self._first_line = int(given.lines_start_at1)
        asks = {"supportsCondition": True, "conditionDescription": "loss > 10"}
        filters = [
            {"filter": name, "label": label, **(asks if name == "condition" else {})}
            for name, label in FILTERS.items()
        ]
        return {**_ABILITIES, "exceptionBreakpointFilters": filters}

    def _launch(self, arguments: object) -> None:
        given = asked.understood(arguments, asked.Launch)
        self._close()
        trace = self._opens(given)
        try:
            start = Place.parse(str(given.at), len(trace.steps))
            self._launched = _Run(Session(trace), start, given.stop_on_entry)
        except BaseException:
            trace.close()
            raise
        self._run.session.go(start)
        self._tell("initialized")

    def _configured(self, _arguments: object) -> None:
        if self._run.stop_on_entry:
            self._stop("entry", "The start")
        else:
            self._on(forward=True)

    def _restart(self, _arguments: object) -> None:
        self._run.session.step = self._run.session.event = 0
        self._run.session.go(self._run.start)
        self._configured(None)

    def _terminate(self, _arguments: object) -> None:
        self._tell("terminated")

    def _disconnect(self, _arguments: object) -> None:
        self.ended = True

    def close(self) -> None:
        """Let go of the recording."""
        self._close()

    def _close(self) -> None:
        if self._launched is not None:
            self._launched.session.trace.close()
            self._launched = None

    # -- breakpoints ----------------------------------------------------------------------

    def _set_breakpoints(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.SetBreakpoints)
        shift = 1 - self._first_line
        lines = given.breakpoints or []
        wanted = [msgspec.structs.replace(one, line=one.line + shift) for one in lines]
        told = self._run.wishes.lines(given.source, wanted)
        for one in told:
            if isinstance(line := one.get("line"), int):
                one["line"] = line - shift
        return {"breakpoints": told}

    def _set_functions(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.SetFunctionBreakpoints)
        return {"breakpoints": self._run.wishes.functions(given.breakpoints)}

    def _set_exceptions(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.SetExceptionBreakpoints)
        plain = [asked.ExceptionFilter(name) for name in given.filters]
        wanted = plain + (given.filter_options or [])
        return {"breakpoints": self._run.wishes.exceptions(wanted)}

    # -- moving ---------------------------------------------------------------------------

    def _moved(self, arguments: object, move: Steps, fine: Steps) -> None:
        """Make a move; by single events where the client asks for instructions."""
        given = asked.understood(arguments, asked.Move)
        chosen = fine if given.granularity == "instruction" else move
        backwards = fine == self._run.walk.back_into
        edge = "The start of the recording" if backwards else "The end of the recording"
        self._stop("step", "" if chosen() else edge)

    def _next(self, arguments: object) -> None:
        self._moved(arguments, self._run.walk.over, self._run.walk.into)

    def _step_in(self, arguments: object) -> None:
        self._moved(arguments, self._run.walk.into, self._run.walk.into)

    def _step_out(self, arguments: object) -> None:
        self._moved(arguments, self._run.walk.out, self._run.walk.into)

    def _step_back(self, arguments: object) -> None:
        self._moved(arguments, self._run.walk.back, self._run.walk.back_into)

    def _continue(self, _arguments: object) -> Body:
        self._on(forward=True)
        return {"allThreadsContinued": True}

    def _reverse(self, _arguments: object) -> None:
        self._on(forward=False)

    def _pause(self, _arguments: object) -> None:
        self._stop("pause", "A recording stands still (it is read, not run)")

    def _on(self, *, forward: bool) -> None:
        """To the next stop in a direction, else to the end of the run that lies there."""
        session = self._run.session
        hit = self._run.breakpoints.ahead(forward=forward)
        if hit is None:
            session.step = max(session.steps - 1, 0) if forward else 0
            opened = session.opened
            session.event = max(len(opened.events) - 1, 0) if forward and opened else 0
            end = "The end of the recording" if forward else "The start of the recording"
            self._stop("step" if forward else "entry", end)
            return
        session.step, session.event = hit.step, hit.event
        words = "; ".join(dict.fromkeys(one.words for one in hit.breakpoints))
        self._stop(hit.breakpoints[0].reason, words, hit)

    def _stop(self, reason: Reason | str, words: str = "", hit: Hit | None = None) -> None:
        self._hit, self._frames, self._inside = hit, [], []
        body: Body = {"reason": reason, "threadId": _THREAD, "allThreadsStopped": True}
        if words:
            body |= {"description": words, "text": words}
        if hit is not None and reason != "exception":
            body["hitBreakpointIds"] = [one.number for one in hit.breakpoints]
        self._note()
        self._tell("stopped", **body)

    def _note(self) -> None:
        """Say once of a step why it shows less than others."""
        opened = self._run.session.opened
        if opened is None or opened.step.index in self._told or opened.step.level != "light":
            return
        self._told.add(opened.step.index)
        for sentence in opened.step.omitted[-1:]:
            text = f"Step {opened.step.index:,}: {sentence}\n"
            self._tell("output", category="console", output=text)

    # -- looking --------------------------------------------------------------------------

    def _threads(self, _arguments: object) -> Body:
        name = self._launched.session.trace.path.name if self._launched else "training"
        return {"threads": [{"id": _THREAD, "name": name}]}

    def _here(self) -> tuple[Opened, StepView]:
        """The current step.

        Raises:
            LensError: The recording has none.
        """
        session = self._run.session
        opened = session.opened
        if opened is None:
            msg = "This recording has no steps."
            raise LensError(msg, hint="Did the program train at all?")
        if self._view is None or self._view.step is not opened.step:
            options = TraceOptions(width=_WIDTH)
            self._view = StepView(opened.step, session.trace.source, options)
        return opened, self._view

    def _stack(self) -> list[Frame]:
        if not self._frames:
            self._frames = frames(self._run.session, self._here()[1])
        return self._frames

    def _stack_trace(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.StackTrace)
        stack = self._stack()
        first = given.start_frame or 0
        last = first + given.levels if given.levels else len(stack)
        told = [self._frame(number, stack[number]) for number in range(len(stack))[first:last]]
        return {"stackFrames": told, "totalFrames": len(stack)}

    def _frame(self, number: int, frame: Frame) -> Body:
        body: Body = {"id": number + 1, "name": frame.title, "line": 0, "column": 0}
        if frame.label:
            body["presentationHint"] = "label"
        source = frame.source
        if source is not None:
            body |= {
                "source": self._run.sources.described(source.file),
                "line": source.line - 1 + self._first_line,
                "column": max(source.column, 0) + self._first_line,
            }
        return body

    def _scopes(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.InFrame)
        stack = self._stack()
        if not 0 < given.frame_id <= len(stack):
            msg = f"There is no frame {given.frame_id} here."
            raise LensError(msg)
        found = scopes(self._run.session, self._here()[1], stack[given.frame_id - 1])
        return {"scopes": [self._scope(one) for one in found]}

    def _scope(self, item: Item) -> Body:
        hint = {"Tensors of the step": "locals"}.get(item.name, "")
        body: Body = {"name": item.name, "expensive": False, **self._opens_into(item)}
        return body | ({"presentationHint": hint} if hint else {})

    def _opens_into(self, item: Item) -> Body:
        """The number under which what is inside of an item can be asked for."""
        if item.inside is None:
            return {"variablesReference": 0}
        self._inside.append(item)
        counted = {"indexedVariables": item.count} if self._pages and item.indexed else {}
        return {"variablesReference": len(self._inside), **counted}

    def _variables(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.Variables)
        if not 0 < given.variables_reference <= len(self._inside):
            msg = (
                f"Nothing here has the number {given.variables_reference}; it was of another stop."
            )
            raise LensError(msg)
        item = self._inside[given.variables_reference - 1]
        told = [self._variable(one) for one in item.parts(given.start or 0, given.count or 0)]
        return {"variables": told}

    def _variable(self, item: Item) -> Body:
        body: Body = {"name": item.name, "value": item.value, **self._opens_into(item)}
        body |= {"type": item.sort} if item.sort else {}
        return body | ({"evaluateName": item.expression} if item.expression else {})

    def _evaluate(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.Evaluate)
        opened, view = self._here()
        found = evaluated(self._run.session, opened, view, given.expression)
        body: Body = {"result": found.value, **self._opens_into(found)}
        return body | ({"type": found.sort} if found.sort else {})

    def _exception_info(self, _arguments: object) -> Body:
        session = self._run.session
        words = "; ".join(one.words for one in self._hit.breakpoints) if self._hit else "Nothing"
        body: Body = {"exceptionId": words, "breakMode": "always"}
        wanted = {one.words for one in self._hit.breakpoints} if self._hit else set()
        events = [one for one in session.trace.events if one.message in wanted]
        if events:
            body |= {
                "description": events[-1].message,
                "details": {"stackTrace": events[-1].detail},
            }
        return body

    def _loaded(self, _arguments: object) -> Body:
        sources = self._run.sources
        return {"sources": [sources.described(file) for file in sources.files]}

    def _source(self, arguments: object) -> Body:
        given = asked.understood(arguments, asked.SourceText)
        text = self._run.sources.text(given.source_reference)
        return {"content": text, "mimeType": "text/x-python"}

    _handlers: Mapping[str, Callable[[Adapter, object], Body | None]] = {
        "initialize": _initialize,
        "launch": _launch,
        "attach": _launch,
        "configurationDone": _configured,
        "restart": _restart,
        "terminate": _terminate,
        "disconnect": _disconnect,
        "setBreakpoints": _set_breakpoints,
        "setFunctionBreakpoints": _set_functions,
        "setExceptionBreakpoints": _set_exceptions,
        "next": _next,
        "stepIn": _step_in,
        "stepOut": _step_out,
        "stepBack": _step_back,
        "continue": _continue,
        "reverseContinue": _reverse,
        "pause": _pause,
        "threads": _threads,
        "stackTrace": _stack_trace,
        "scopes": _scopes,
        "variables": _variables,
        "evaluate": _evaluate,
        "exceptionInfo": _exception_info,
        "loadedSources": _loaded,
        "source": _source,
    }


def _failure(words: str) -> Body:
    error = {"id": 1, "format": words.replace("{", "(").replace("}", ")"), "showUser": True}
    return {"success": False, "message": words, "body": {"error": error}}


def talk(incoming: BinaryIO, outgoing: BinaryIO, opens: Opens) -> None:
    """Answer a client until it leaves.

    Args:
        incoming: What it writes.
        outgoing: What it reads.
        opens: Opens the recording that a launch names.

    Raises:
        LensError: What it writes is no message of the protocol.
    """
    adapter = Adapter(opens, lambda message: write_message(outgoing, message))
    try:
        while not adapter.ended and (message := read_message(incoming)) is not None:
            adapter.answer(message)
    finally:
        adapter.close()
