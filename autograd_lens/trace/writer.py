"""Writing a trace while the program runs.

::

    writer = TraceWriter.create("train.lens", RunInfo(program="train.py"))
    writer.parameter(0, Parameter("w1", (1, 1), "float32", "cpu"))
    graph = writer.graph({...})
    writer.rows.append((0, graph, loss, [w1], [None], [grad]))      # from the training loop
    writer.close("finished")

NOTE 1: the training loop only appends to ``rows``; a daemon thread writes. Where the disk is
slower than the program, ``full`` waits once about 256 MB of full steps are queued. Rows never
wait: they are small, and a light recording must not slow the program down.

NOTE 2: after ``os.fork`` the child holds a copy of this object but not its thread, and must
not touch the parent's database. All methods do nothing there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from autograd_lens.errors import TraceError, TraceExistsError
from autograd_lens.trace.columns import Entry
from autograd_lens.trace.drain import Drain, Item, Queue
from autograd_lens.trace.info import RunInfo, RunStatus, run_status
from autograd_lens.trace.lightrows import Row
from autograd_lens.trace.owner import describe_owner
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.schema import SCHEMA, item_row
from autograd_lens.trace.tape import Template, encode_template

__all__ = ["RunInfo", "TraceWriter"]

_NUMBERED = ("event", "graph", "template")
_INTERVAL = 0.5  # seconds between commits


class TraceWriter:
    """Writes one trace; made by ``create`` or ``reopen``.

    Attributes:
        path: The file.
        rows: Where capture appends light rows: ``(step, graph, loss, values, grads_before,
            grads_after)`` or these and a dict of extras; graph -1 for the state after the
            last step.
        failed: The first error in writing, else None. Afterwards everything is dropped.
        on_failure: Called once with that message, from the writer's thread.
    """

    def __init__(self, path: Path, drain: Callable[[Queue], Drain], counts: dict[str, int]) -> None:
        self.path = path
        self.failed: str | None = None
        self.on_failure: Callable[[str], None] | None = None
        self._queue = Queue()
        self.rows: deque[Row] = self._queue.rows
        self._counts = counts
        self._sources: set[str] = set()
        self._lock = Lock()
        self._process = os.getpid()
        self._closed = False
        self._status_kept = False
        self._last: list[Item] = []
        self._make_drain = drain
        self._thread = Thread(target=self._work, name="autograd-lens-writer", daemon=True)
        self._thread.start()

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], info: RunInfo, *, force: bool = False
    ) -> TraceWriter:
        """A new trace.

        Args:
            path: Where.
            info: What is recorded.
            force: Whether to replace what is there.

        Raises:
            TraceExistsError: There is a file, and ``force`` is false.
            TraceError: The file cannot be made.
        """
        path = Path(path).absolute()
        _make_room(path, force=force)
        try:
            _create_tables(path, info)
        except (sqlite3.Error, OSError) as error:
            msg = f"The trace {path} cannot be written: {error}."
            raise TraceError(msg, hint="Choose another place with -o.") from error
        return cls(path, lambda queue: Drain(path, queue, live=True), {})

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> TraceWriter:
        """An existing trace, to add full steps or extras; how its run ended stays as it was.

        Raises:
            TraceError: It is no trace, or cannot be written.
        """
        path = Path(path).absolute()
        with Trace(path) as trace:
            running = trace.info.status == "running"
            counts = {kind: 1 + max(trace.items.numbered(kind), default=-1) for kind in _NUMBERED}
            sources = trace.items.keys("source")
        if running or not os.access(path, os.W_OK):
            msg = f"The trace {path} is {'still being recorded' if running else 'read-only'}."
            raise TraceError(msg, hint="Wait until the run has ended, or copy the file elsewhere.")
        writer = cls(path, lambda queue: Drain(path, queue, live=False), counts)
        writer._sources.update(sources)
        writer._status_kept = True
        return writer

    def parameter(self, index: int, parameter: Parameter) -> None:
        """Define the parameter that rows hold at ``index``; later definitions replace it."""
        self._define("parameter", index, _json(asdict(parameter)))

    def source(self, file: str, text: str) -> None:
        """Keep the text of a source file; the first text of a file stays."""
        with self._lock:
            if file in self._sources:
                return
            self._sources.add(file)
        self._define("source", file, text.encode("utf-8", "replace"))

    def graph(self, description: Mapping[str, Any]) -> int:
        """Define what rows of one graph have in common; returns the id that rows give."""
        return self._number("graph", _json(description))

    def template(self, template: Template) -> int:
        """Define the structure of full steps; returns the id that ``full`` takes."""
        return self._number("template", encode_template(template))

    def full(self, step: int, template: int, slots: list[Entry], *, lean: bool = False) -> None:
        """Add a full step, or a lean one. Waits while too much is queued."""
        queue = self._queue
        queue.fulls.append((step, ~template if lean else template, slots))
        if len(queue.fulls) > queue.most_fulls // 2:
            self._press()

    def dot(self, template: int, backward: int, text: str) -> None:
        """Keep torchviz's drawing of one backward of a template."""
        self._define("dot", f"{template}.{backward}", text.encode("utf-8", "replace"))

    def event(self, event: Event) -> None:
        """Note something that happened to the run."""
        self._number("event", _json(asdict(event)))

    def extra(self, key: str, data: bytes) -> None:
        """Keep named bytes; later ones replace earlier ones."""
        self._define("extra", key, data)

    def keep(self, value: bytes) -> None:
        """Keep a large value; ``Trace.whole`` finds it by its digest."""
        if self.failed is None and not self._closed and os.getpid() == self._process:
            self._queue.values.append(value)
            self._queue.wake.set()

    def close(self, status: RunStatus) -> None:
        """Write what is queued and how the run ended. Waits for it; never raises for the disk."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        end = {"status": run_status(status), "ended": time.time()}
        self._last = [] if self._status_kept else [("about", "end", _json(end))]
        self._queue.stop.set()
        self._queue.wake.set()
        self._thread.join()

    def _number(self, kind: str, data: bytes) -> int:
        with self._lock:
            number = self._counts.get(kind, 0)
            self._counts[kind] = number + 1
        self._define(kind, number, data)
        return number

    def _define(self, kind: str, key: int | str, data: bytes) -> None:
        if self.failed is None and not self._closed and os.getpid() == self._process:
            self._queue.items.append((kind, str(key), data))

    def _press(self) -> None:
        """Hurry the writer, and wait for it where memory would overflow (NOTE 1)."""
        queue = self._queue
        if os.getpid() != self._process or self._closed:
            queue.fulls.clear()
            return
        queue.wake.set()
        while len(queue.fulls) > queue.most_fulls and self._thread.is_alive():
            time.sleep(0.001)

    def _work(self) -> None:
        drain: Drain | None = None
        try:
            drain = self._make_drain(self._queue)
            while not self._queue.stop.is_set():
                drain.drain()
                self._queue.wake.wait(_INTERVAL)
                self._queue.wake.clear()
            self._queue.items.extend(self._last)
            drain.finish()
        except Exception as error:  # noqa: BLE001  whatever it is, the training goes on
            self._fail(error)
            if drain is not None:
                drain.close()
            self._discard()
            with suppress(Exception):  # by now there may be room again
                self._say_incomplete()

    def _fail(self, error: Exception) -> None:
        self.failed = f"{self.path.name}: {str(error) or type(error).__name__}"
        if self.on_failure is not None:
            with suppress(Exception):  # a failing callback must not hide the failure
                self.on_failure(self.failed)

    def _discard(self) -> None:
        while not self._queue.stop.is_set():
            self._queue.clear()
            self._queue.wake.wait(_INTERVAL)
            self._queue.wake.clear()
        self._queue.clear()

    def _say_incomplete(self) -> None:
        """Note in the trace itself that it is incomplete, and how the run ended."""
        message = f"The recording stopped before the run did: {self.failed}"
        with Trace(self.path) as trace:
            number = 1 + max(trace.items.numbered("event"), default=-1)
        event = ("event", str(number), _json(asdict(Event("incomplete", None, message))))
        drain = self._make_drain(self._queue)
        self._queue.items.extend([event, *self._last])
        drain.finish()


def _make_room(path: Path, *, force: bool) -> None:
    if path.is_dir():
        msg = f"{path} is a folder."
        raise TraceError(msg, hint="Give the name of a file, for example run.lens.")
    if not path.parent.is_dir():
        msg = f"There is no folder {path.parent} to write {path.name} into."
        raise TraceError(msg, hint="Make it first, or choose another place.")
    if path.exists() and not force:
        msg = f"{path} exists already."
        raise TraceExistsError(msg, hint="Use force (--force) to replace it, or another name.")
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path} cannot be replaced: {error}."
        raise TraceError(msg, hint="Choose another name.") from error


def _create_tables(path: Path, info: RunInfo) -> None:
    """The tables and what is known now, in the file itself before any log exists."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(f"BEGIN; {SCHEMA}")
        about: Iterable[tuple[str, bytes]] = (
            ("info", info.to_json()),
            ("owner", _json(describe_owner())),
        )
        for key, data in about:
            row = item_row("about", key, data)
            connection.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("utf-8", "replace")
