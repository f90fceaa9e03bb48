"""Closing a trace when the system asks the process to end.

NOTE 1 [Signals]: SIGTERM and SIGHUP end a Python program at once, and the steps since the last
commit would be lost. While a recording runs, a handler of ours closes the file and then lets the
signal do what it would have done. It is set only where the program has left the system's own way
in place, and it is not shown: ``signal.getsignal`` and ``signal.signal`` tell the program what
they would tell it without us, as libraries look before they set a handler and call what they find.

NOTE 2 [Not in children]: Python runs a handler between two instructions, so that a signal which
comes right before a process begins to wait for a lock is not heard before the wait ends. Pools end
their workers by SIGTERM while these wait. A forked child has no trace to close: it gets the
system's own way back before anything else.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

__all__ = ["closed_by_signals"]

_NAMES = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def closed_by_signals(close: Callable[[], None]) -> Iterator[None]:
    """While this lasts, a signal that ends the process calls ``close`` first (NOTE 1).

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


@contextmanager
def _hidden(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While this lasts, the module ``signal`` says SIG_DFL where a handler is set."""
    get, put = signal.getsignal, signal.signal

    def shown(found: Any) -> Any:
        return signal.SIG_DFL if found is handler else found

    @functools.wraps(get)
    def get_shown(signalnum: int) -> Any:
        return shown(get(signalnum))

    @functools.wraps(put)
    def put_shown(signalnum: int, handler: Any) -> Any:
        return shown(put(signalnum, handler))

    known = {"getsignal": get, "signal": put}
    replaced = {"getsignal": get_shown, "signal": put_shown}
    vars(signal).update(replaced)
    try:
        yield
    finally:
        for name, original in known.items():
            if vars(signal)[name] is replaced[name]:  # the program may have put one of its own
                vars(signal)[name] = original
