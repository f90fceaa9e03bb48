"""How a recorded program ends, and what its trace says of that.

NOTE [os._exit]: it ends a process before anything can be written, and what was recorded since the
last commit would be lost, which is all of a short run. While a recording runs, it closes the trace
first. A forked child ends as bare.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from autograd_lens.capture.recorder import Recorder
from autograd_lens.errors import StopConditionMet
from autograd_lens.trace.info import RunStatus
from autograd_lens.trace.records import Event
from autograd_lens.trace.writer import TraceWriter

__all__ = ["close_trace", "closed_by_exit", "failure"]


def failure(error: BaseException | None) -> BaseException | None:
    """What a program raised, where it did not end as it should."""
    return None if _status(error) == "finished" else error


def close_trace(
    recorder: Recorder, writer: TraceWriter, error: BaseException | None, detail: str = ""
) -> None:
    """Write how the run ended, and end the trace.

    Args:
        recorder: Has stopped.
        writer: The trace.
        error: What the program raised.
        detail: Its traceback.
    """
    if (failed := failure(error)) is not None:
        writer.event(_event(failed, recorder.failed_step, detail))
    writer.close(_status(error))


@contextmanager
def closed_by_exit(recorder: Recorder, writer: TraceWriter) -> Iterator[None]:
    """While this lasts, ``os._exit`` closes the trace first (NOTE)."""
    leave, process, thread = os._exit, os.getpid(), threading.get_ident()

    @functools.wraps(leave)
    def leave_closed(status: int) -> None:
        if os.getpid() == process and isinstance(status, int):
            with suppress(Exception):  # the program ends here, whatever else fails
                error = SystemExit(status)
                if threading.get_ident() == thread:
                    recorder.stop(failure(error))
                close_trace(recorder, writer, error)
        leave(status)

    os._exit = leave_closed  # type: ignore[assignment]  # it is declared to be a function
    try:
        yield
    finally:
        if os._exit is leave_closed:
            os._exit = leave


def _status(error: BaseException | None) -> RunStatus:
    """How a run ended that an error left, in the words of ``RunInfo.status``."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "finished"
    if isinstance(error, StopConditionMet):
        return "stopped"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "exception"


def _event(error: BaseException, step: int, detail: str) -> Event:
    kind = "interrupt" if isinstance(error, KeyboardInterrupt) else "exception"
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    return Event(kind, step if step >= 0 else None, message, detail)
