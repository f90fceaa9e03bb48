"""Signals while a program is recorded: the trace is closed, and handlers are the program's own.

NOTE 1 [Signals]: SIGTERM and SIGHUP end a Python program at once, and the steps since the last
commit would be lost. While a recording runs, a handler of ours closes the file and then lets the
signal do what it would have done. It is set only where the program has left the system's own way
in place, and it is not shown: ``signal.getsignal`` and ``signal.signal`` tell the program what
they would tell it without us, as libraries look before they set a handler and call what they find.

NOTE 2 [Not in children]: pools end their workers by SIGTERM. A forked child has no trace to close:
it gets the system's own way back before anything else.

NOTE 3 [At once]: Python runs a handler between two instructions of the main thread, which may stand
in one for minutes (a kernel, a rendezvous with other processes, a lock). Without us the program
would be gone by then. So a thread of ours hears of the signal, too, by ``signal.set_wakeup_fd``,
and whichever of the two comes first closes the trace and ends the process. What the program sets
there has precedence.

NOTE 4 [Handlers of the program]: Python calls a handler wherever the main thread stands, and while
we are at work that is in our code. What a handler raises there (``TimeoutError`` of an alarm, a
worker of a loader that died) would be taken for a failure of the recording, and be swallowed. So a
handler that the program sets waits until our code has returned to the line that called it, in the
program or in torch, and is called there: ``sys.settrace`` tells of it, for so long, and nothing is
asked on the way as long as no signal comes. Where the program is traced already (a debugger), the
handler is called at once.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import threading
from _thread import RLock, start_new_thread
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

    Handlers of the program run in its own code alone (NOTE 4).

    Args:
        close: Closes the trace; called in any thread, at any time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    end, put = _End(close, ours), signal.signal
    for number in ours:
        put(number, end.on_signal)
    try:
        with _heard(end) as hiding, _hidden(end.on_signal, hiding):
            yield
    finally:
        with suppress(ValueError):  # left in another thread
            for number in filter(end.is_ours, ours):
                put(number, signal.SIG_DFL)
        end.numbers.clear()


class _End:
    """Closes the trace and ends this process, once.

    Attributes:
        numbers: The signals that a handler of ours is set for.
    """

    def __init__(self, close: Callable[[], None], numbers: list[int]) -> None:
        self.numbers = list(numbers)
        self._close = close
        self._process = os.getpid()
        self._one_thread = RLock()
        self._get = signal.getsignal

    def is_ours(self, number: int) -> bool:
        """Whether the program has left a signal alone, and it does end this process."""
        return number in self.numbers and self._get(number) == self.on_signal

    def on_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """End as the signal would have; another thread waits for that end."""
        # The module's own function is for the main thread alone. A second signal does not wait.
        ctypes.pythonapi.PyOS_setsig(ctypes.c_int(number), ctypes.c_void_p(signal.SIG_DFL))
        with self._one_thread:
            if os.getpid() == self._process:  # a forked child has no trace to close
                self._close()
            os.kill(os.getpid(), number)


class _Wakeup:
    """A thread that ends the process where the main thread cannot (NOTE 3)."""

    def __init__(self, end: _End) -> None:
        self._end = end
        self._put = signal.set_wakeup_fd
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._wanted = True
        self._is_set = False
        self.put(self._put(-1))
        start_new_thread(self._listen, ())

    def put(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """``signal.set_wakeup_fd``, as if nothing were set by us."""
        found = self._put(fd, warn_on_full_buffer=warn_on_full_buffer)
        before = -1 if self._is_set else found
        self._is_set = fd == -1 and self._wanted
        if self._is_set:
            self._put(self._write, warn_on_full_buffer=False)
        return before

    def leave(self) -> None:
        """Hear of nothing more, in this process."""
        self._wanted = False
        if self._is_set:
            self.put(-1)

    def stop(self) -> None:
        """End the thread.

        Raises:
            ValueError: This is not the main thread.
        """
        self.leave()
        os.write(self._write, bytes(1))

    def _listen(self) -> None:
        while any(heard := os.read(self._read, 1)):
            if self._end.is_ours(heard[0]):
                self._end.on_signal(heard[0])
        os.close(self._read)
        os.close(self._write)


@contextmanager
def _heard(end: _End) -> Iterator[dict[str, Callable[..., object]]]:
    """While this lasts, signals are heard at once (NOTE 3), in this process alone (NOTE 2).

    Yields:
        By name, the functions of ``signal`` that hide it from the program.
    """
    if os.name != "posix":
        yield {}
        return
    put, wakeup = signal.signal, _Wakeup(end)

    def in_child() -> None:
        wakeup.leave()
        for number in filter(end.is_ours, end.numbers):
            put(number, signal.SIG_DFL)

    os.register_at_fork(after_in_child=in_child)  # for good: there is no way back
    try:
        yield {"set_wakeup_fd": wakeup.put}
    finally:
        with suppress(ValueError):  # left in another thread
            wakeup.stop()


class _Waiting:
    """A handler of the program that is not called while we are at work (NOTE 4).

    Attributes:
        handler: What the program has set.
    """

    def __init__(
        self, handler: Callable[[int, FrameType | None], object], frames: UserFrames
    ) -> None:
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

        def goes_on(frame: FrameType, event: str, _given: object) -> object:
            if event == "return" or (event == "line" and not within):
                sys.settrace(None)
                frame.f_trace = None
                self.handler(number, frame)
                return None
            return goes_on

        caller.f_trace = goes_on
        sys.settrace(_not_followed)


def _not_followed(_frame: FrameType, _event: str, _given: object) -> None:
    """A tracer that leaves the frames of new calls alone."""


@contextmanager
def _hidden(
    handler: Callable[[int, FrameType | None], None], besides: dict[str, Callable[..., Any]]
) -> Iterator[None]:
    """While this lasts, the module ``signal`` knows nothing of what we have set.

    Args:
        handler: What is set for signals.
        besides: Other functions of that module, by name, that the program is to meet.
    """
    get, put, frames = signal.getsignal, signal.signal, UserFrames()

    def shown(found: Any) -> Any:
        if isinstance(found, _Waiting):
            return found.handler
        return signal.SIG_DFL if found == handler else found

    def waiting(wanted: Any) -> Any:
        return _Waiting(wanted, frames) if _is_programs(wanted) else wanted

    @functools.wraps(get)
    def get_shown(signalnum: int) -> Any:
        return shown(get(signalnum))

    @functools.wraps(put)
    def put_shown(signalnum: int, handler: Any) -> Any:
        return shown(put(signalnum, waiting(handler)))

    replaced = {"getsignal": get_shown, "signal": put_shown, **besides}
    known = {name: vars(signal)[name] for name in replaced}
    for number in signal.valid_signals():
        if (found := get(number)) != handler and _is_programs(found):
            put(number, waiting(found))
    vars(signal).update(replaced)
    try:
        yield
    finally:
        for name, original in known.items():
            if vars(signal)[name] is replaced[name]:  # the program may have put one of its own
                vars(signal)[name] = original
        _give_back(get, put)


def _is_programs(handler: object) -> bool:
    """Whether it is a function that the program has set."""
    return callable(handler) and handler is not signal.default_int_handler


def _give_back(get: Callable[..., object], put: Callable[..., object]) -> None:
    """Have handlers of the program called as bare."""
    with suppress(ValueError):  # left in another thread
        for number in signal.valid_signals():
            if isinstance(found := get(number), _Waiting):
                put(number, found.handler)
