"""What ``run`` looks at unasked once the program has ended, and for no longer than two seconds.

NOTE 1 [In a process of its own]: how a run ends is the program's affair. What is computed here
replays steps of a program that nobody has seen; it may take long, need more memory than there
is, or fail in ways that no ``except`` catches. So it runs in a child that is ended when its
time is up, and only what it has found by then counts. A verb that needs the rest computes it.
The child collects no garbage and leaves without a farewell: finalizers are the program's.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from autograd_lens.trace.reader import Trace

__all__ = ["findings_and_landscape"]

_SECONDS = 2.0
_PATIENCE = 0.3  # seconds before a terminal is told what is going on
_PROGRESS = "Looking at what was recorded ... (Ctrl-C leaves it)"
_CLEAR = "\r\x1b[2K"


def findings_and_landscape(path: Path, say: Callable[[str], None]) -> None:
    """Tell of grave findings, and keep the loss around the run where it is cheap to measure.

    Args:
        path: The recording.
        say: Called with each line that the user should read.
    """
    from autograd_lens.landscape import keep_extras

    if not hasattr(os, "fork"):
        return
    extras: dict[str, bytes] = {}
    for found in _within(_SECONDS, lambda: _look(path)):
        kind, key, text = found
        if kind == "line":
            say(text)
        else:
            extras[key] = base64.b64decode(text)
    if extras:
        keep_extras(path, extras)


def _look(path: Path) -> Iterator[tuple[str, str, str]]:
    """(``"line"``, "", text) for a person, (``"extra"``, name, base64) for the file."""
    from autograd_lens.cli.doctor import grave_findings
    from autograd_lens.landscape import cheap_landscape

    with contextlib.suppress(Exception):  # the doctor is a guest here
        for line in grave_findings(path):
            yield "line", "", line
    with contextlib.suppress(Exception), Trace(path) as trace:
        for key, data in cheap_landscape(trace):
            yield "extra", key, base64.b64encode(data).decode()


def _within(
    seconds: float, work: Callable[[], Iterator[tuple[str, str, str]]]
) -> Iterator[tuple[str, str, str]]:
    """What a child finds in some seconds (NOTE 1)."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that do not come along: none is needed
        child = os.fork()
    if child == 0:
        _as_child(writing, work)
    os.close(writing)
    try:
        yield from _lines(reading, time.monotonic() + seconds)
    except KeyboardInterrupt:
        return
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _as_child(writing: int, work: Callable[[], Iterator[tuple[str, str, str]]]) -> None:
    try:
        gc.disable()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        from autograd_lens.landscape import stay_on_one_thread

        stay_on_one_thread()
        for found in work():
            os.write(writing, json.dumps(found).encode() + b"\n")
    finally:
        os._exit(0)


def _lines(reading: int, end: float) -> Iterator[tuple[str, str, str]]:
    """What comes through a pipe, line by line, until it is closed or the time is up."""
    shown = False
    began, waiting = time.monotonic(), b""
    try:
        while (left := end - time.monotonic()) > 0:
            if not select.select([reading], [], [], min(left, _PATIENCE))[0]:
                if not shown and time.monotonic() - began >= _PATIENCE and _on_terminal():
                    sys.stderr.write(_PROGRESS)
                    sys.stderr.flush()
                    shown = True
                continue
            data = os.read(reading, 1 << 16)
            if not data:
                return
            *whole, waiting = (waiting + data).split(b"\n")
            if shown and whole:
                sys.stderr.write(_CLEAR)
                shown = False
            yield from (tuple(json.loads(line)) for line in whole)
    finally:
        if shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
