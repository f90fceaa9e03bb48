"""Closing a trace when the system asks the process to end.

NOTE 1 [Signals]: SIGTERM and SIGHUP end a Python program at once, and the steps since the last
commit would be lost. While a recording runs, a handler of ours closes the file and then lets the
signal do what it would have done. It is set only where the program has left the system's own way
in place, and it is not shown: ``signal.getsignal`` and ``signal.signal`` tell the program what
they would tell it without us, as libraries look before they set a handler and call what they find.
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
    process, get, put = os.getpid(), signal.getsignal, signal.signal

    def on_signal(number: int, _frame: FrameType | None) -> None:
        put(number, signal.SIG_DFL)
        if os.getpid() == process:  # a forked child has no trace to close
            close()
        os.kill(os.getpid(), number)

    def shown(handler: Any) -> Any:
        return signal.SIG_DFL if handler is on_signal else handler

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    ours = [number for number in numbers if get(number) is signal.SIG_DFL]
    for number in ours:
        put(number, on_signal)
    get_shown = functools.wraps(get)(lambda number: shown(get(number)))
    put_shown = functools.wraps(put)(lambda number, handler: shown(put(number, handler)))
    signal.getsignal, signal.signal = get_shown, put_shown
    try:
        yield
    finally:
        if signal.getsignal is get_shown:
            signal.getsignal = get
        if signal.signal is put_shown:
            signal.signal = put
        with suppress(ValueError):  # left in another thread
            for number in ours:
                if get(number) is on_signal:
                    put(number, signal.SIG_DFL)
