"""Signals while a program is recorded: the trace is closed, and handlers are the program's own.

NOTE 1 [Signals]: SIGTERM and SIGHUP end a Python program at once, and the steps since the last
commit would be lost. While a recording runs, a handler of ours closes the file and then lets the
signal do what it would have done. It is set only where the program has left the system's own way
in place, and it is not shown: ``signal.getsignal`` and ``signal.signal`` tell the program what
they would tell it without us, as libraries look before they set a handler and call what they find.

NOTE 2 [Not in children]: Python runs a handler between two instructions, so that a signal which
comes right before a process begins to wait for a lock is not heard before the wait ends. Pools end
their workers by SIGTERM while these wait. A forked child has no trace to close: it gets the
system's own way back before anything else.

NOTE 3 [Handlers of the program]: Python calls a handler wherever the main thread stands, and while
we are at work that is in our code. What a handler raises there (``TimeoutError`` of an alarm, a
worker of a loader that died) would be taken for a failure of the recording, and be swallowed. So a
handler that the program sets waits until our code has returned to the line that called it, in the
program or in torch, and is called there: ``sys.settrace`` tells of it, for so long, and nothing is
asked on the way as long as no signal comes. Where the program is traced already (a debugger), the
handler is called at once.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import autograd_lens
from autograd_lens.live.frames import UserFrames

__all__ = ["closed_by_signals"]

_NAMES = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_AT_WORK = tuple(
    str(Path(autograd_lens.__file__).parent / folder) + os.sep
    for folder in ("capture", "live", "trace")
)
_ENGINE = "_engine_run_backward"  # what it has begun it ends on its way out


@contextmanager
def closed_by_signals(close: Callable[[], None]) -> Iterator[None]:
    """While this lasts, a signal that ends the process calls ``close`` first (NOTE 1).

    Handlers of the program run in its own code alone (NOTE 3).

    Args:
        close: Closes the trace; called in the main thread, between any two instructions.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    process, put = os.getpid(), signal.signal

    def on_signal(number: int, _frame: FrameType | None) -> None:
        put(number, signal.SIG_DFL)
        if os.getpid() == process:  # a forked child has no trace to close
            close()
        os.kill(os.getpid(), number)

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        put(number, on_signal)
    held = _held_by_this_process(ours, on_signal)
    try:
        with _hidden(on_signal):
            yield
    finally:
        held.clear()
        with suppress(ValueError):  # left in another thread
            for number in ours:
                if signal.getsignal(number) is on_signal:
                    put(number, signal.SIG_DFL)


def _held_by_this_process(numbers: list[int], handler: Any) -> list[int]:
    """The numbers that a forked child gives back (NOTE 2), until they are taken out of the list."""
    held, get, put = list(numbers), signal.getsignal, signal.signal

    def in_child() -> None:
        for number in held:
            if get(number) is handler:
                put(number, signal.SIG_DFL)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)  # for good: there is no way back
    return held


class _Waiting:
    """A handler of the program that is not called while we are at work (NOTE 3).

    Attributes:
        handler: What the program has set.
    """

    def __init__(self, handler: Callable[[int, FrameType | None], Any], frames: UserFrames) -> None:
        self.handler = handler
        self._frames = frames

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Call it, now or where our code has ended."""
        ours = self._at_work(frame)
        if ours is None or sys.gettrace() is not None:
            self.handler(number, frame)
        elif ours.f_back is not None and self._frames.innermost(ours) is not None:
            self._wait(number, ours.f_back)
        # else the program has ended, and bare it would not have heard of the signal

    def _at_work(self, frame: FrameType | None) -> FrameType | None:
        """The outermost frame of ours, where that is at work and not the program."""
        ours = None
        while frame is not None and not self._is_programs(frame):
            if frame.f_code.co_filename.startswith(_AT_WORK):
                ours = frame
            frame = frame.f_back
        return ours

    def _is_programs(self, frame: FrameType) -> bool:
        made = frame.f_code.co_filename == "<string>" and frame.f_globals["__name__"] != "__main__"
        return not made and self._frames.is_user(frame.f_code)  # a record's __init__ is no program

    def _wait(self, number: int, caller: FrameType) -> None:
        """Call the handler when the frame that has called us goes on."""
        within = caller.f_code.co_name == _ENGINE

        def goes_on(frame: FrameType, event: str, _given: Any) -> Any:
            if event == "return" or (event == "line" and not within):
                sys.settrace(None)
                frame.f_trace = None
                self.handler(number, frame)
                return None
            return goes_on

        caller.f_trace = goes_on
        sys.settrace(_not_followed)


def _not_followed(_frame: FrameType, _event: str, _given: Any) -> None:
    """A tracer that leaves the frames of new calls alone."""


@contextmanager
def _hidden(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While this lasts, the module ``signal`` knows nothing of what we have set."""
    get, put, frames = signal.getsignal, signal.signal, UserFrames()

    def shown(found: Any) -> Any:
        if isinstance(found, _Waiting):
            return found.handler
        return signal.SIG_DFL if found is handler else found

    def waiting(wanted: Any) -> Any:
        return _Waiting(wanted, frames) if _is_programs(wanted) else wanted

    @functools.wraps(get)
    def get_shown(signalnum: int) -> Any:
        return shown(get(signalnum))

    @functools.wraps(put)
    def put_shown(signalnum: int, handler: Any) -> Any:
        return shown(put(signalnum, waiting(handler)))

    known = {"getsignal": get, "signal": put}
    replaced = {"getsignal": get_shown, "signal": put_shown}
    for number in signal.valid_signals():
        if (found := get(number)) is not handler and _is_programs(found):
            put(number, waiting(found))
    vars(signal).update(replaced)
    try:
        yield
    finally:
        for name, original in known.items():
            if vars(signal)[name] is replaced[name]:  # the program may have put one of its own
                vars(signal)[name] = original
        _give_back(get, put)


def _is_programs(handler: Any) -> bool:
    """Whether it is a function that the program has set."""
    return callable(handler) and handler is not signal.default_int_handler


def _give_back(get: Callable[..., Any], put: Callable[..., Any]) -> None:
    """Have handlers of the program called as bare."""
    with suppress(ValueError):  # left in another thread
        for number in signal.valid_signals():
            if isinstance(found := get(number), _Waiting):
                put(number, found.handler)
