"""Writing a trace while the program runs.

::

    writer = TraceWriter.create("train.lens", RunInfo(program="train.py"))
    writer.parameter(0, Parameter("w1", (1, 1), "float32", "cpu"))
    graph = writer.graph({...})
    writer.rows.append((0, graph, loss, [w1], [None], [grad]))      # from the training loop
    writer.close("finished")

NOTE 1: the training loop only appends to ``rows``; a daemon thread writes. Where the disk is
slower than the program, ``full`` waits once about 64 MB of full steps are queued. Rows never
wait: they are small, and a light recording must not slow the program down.

NOTE 2: after ``os.fork`` the child holds a copy of this object but not its thread, and must
not touch the parent's database. All methods do nothing there.

NOTE 3: another program may hold the file locked (a copy, a virus scanner, a browser of
databases). Then what is queued waits, half a minute at most, before the recording is given up.

NOTE 4: where somebody deletes or replaces the file, SQLite goes on writing into one without a
name. So the writer looks whether the file at its path is still the one that it opened.

NOTE 5: the writer's thread holds the interpreter's lock while it packs, so the work per row is
spent in C: transposing with zip, joining, NumPy, deflate (which runs without the lock).

NOTE 6: the writer's thread is none that ``threading`` lists: a program may wait for all of them.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import Literal, TypeVar

import numpy as np

from autograd_lens.errors import TraceError, TraceExistsError
from autograd_lens.trace.budget import DEFAULT_SIZE, Budget
from autograd_lens.trace.columns import MOST_ROWS
from autograd_lens.trace.fulls import pack_fulls, slots_bytes
from autograd_lens.trace.info import Ending, Owner, RunInfo, RunStatus
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.rows import LightGraph, Row, pack_rows, row_bytes
from autograd_lens.trace.schema import SCHEMA, count_rows, item_row, most_bytes, seal
from autograd_lens.trace.store import BlobWriter, is_locked
from autograd_lens.trace.stored import to_bytes
from autograd_lens.trace.tape import Template
from autograd_lens.trace.values import Entry
from autograd_lens.trace.window import Fading, Forgotten, Window

__all__ = ["RunInfo", "TraceWriter"]

T = TypeVar("T")
Full = tuple[int, int, list[Entry]]
"""(step, template, slots)"""
Item = tuple[str, str, bytes]
"""(kind, key, data)"""

_NUMBERED = ("event", "graph", "template")
_INTERVAL = 0.5  # seconds between commits
_BLOCK_BYTES = 1 << 18  # of rows; the last block is written again as it grows
_CLOSED_ROWS = 1024  # a block with fewer rows is written again with the rows that follow
_BATCH_STEPS = 64
_BATCH_BYTES = 1 << 19
_QUEUE_BYTES = 1 << 26
_HEARTBEAT = 2.0  # seconds
_BUSY = 5.0  # seconds that SQLite itself waits for a lock
_PATIENCE = 30.0  # seconds that another program may lock the file


class TraceWriter:
    """Writes one trace; made by ``create`` or ``reopen``.

    Attributes:
        path: The file.
        rows: Where capture appends light rows: ``(step, graph, loss, values, grads_before,
            grads_after)`` or these and a dict of extras; graph -1 for the state after the
            last step.
        failed: The first error in writing, else None. Afterwards everything is dropped.
        on_failure: Called once with that message, from the writer's thread.
        budget: How much the file may hold.
    """

    def __init__(
        self, path: Path, drain: Callable[[_Queue], _Drain], counts: dict[str, int], budget: Budget
    ) -> None:
        self.path = path
        self.budget = budget
        self.failed: str | None = None
        self.on_failure: Callable[[str], None] | None = None
        self._queue = _Queue()
        self.rows: deque[Row] = self._queue.rows
        self._counts = counts
        self._sources: set[str] = set()
        self._lock = Lock()
        self._process = os.getpid()
        self._closed = False
        self._status_kept = False
        self._last: list[Item] = []
        self._make_drain = drain
        self._working = Lock()
        self._working.acquire()
        start_new_thread(self._work, ())

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        info: RunInfo,
        *,
        force: bool = False,
        size: int = DEFAULT_SIZE,
        last: int = 0,
    ) -> TraceWriter:
        """A new trace.

        Args:
            path: Where.
            info: What is recorded.
            force: Whether to replace what is there.
            size: Bytes that it may have on the disk.
            last: How many steps are kept, 0 for all; the program says when others may go.

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
        budget = Budget(size)
        writer = cls(
            path, lambda queue: _Drain(path, queue, budget, live=True, last=last), {}, budget
        )
        if last:
            writer.extra("window", to_bytes(Window(last)))
        return writer

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> TraceWriter:
        """An existing trace, to add full steps or extras; how its run ended stays as it was.

        Raises:
            TraceError: It is no trace, or cannot be written.
        """
        path = Path(path).absolute()
        with Trace(path) as trace:
            running = trace.info.status == "running"
            counts = {kind: 1 + max(trace.items.numbers(kind), default=-1) for kind in _NUMBERED}
            sources = trace.items.keys("source")
        if running or not os.access(path, os.W_OK):
            msg = f"The trace {path} is {'still being recorded' if running else 'read-only'}."
            raise TraceError(msg, hint="Wait until the run has ended, or copy the file elsewhere.")
        budget = Budget(1 << 62)  # what is added is asked for
        writer = cls(path, lambda queue: _Drain(path, queue, budget, live=False), counts, budget)
        writer._sources.update(sources)
        writer._status_kept = True
        return writer

    def parameter(self, index: int, parameter: Parameter) -> None:
        """Define the parameter that rows hold at ``index``; later definitions replace it."""
        self._define("parameter", index, to_bytes(parameter))

    def source(self, file: str, text: str) -> None:
        """Keep the text of a source file; the first text of a file stays, too long a one is cut."""
        with self._lock:
            if file in self._sources:
                return
            self._sources.add(file)
        self._define("source", file, text.encode("utf-8", "replace")[: most_bytes("source")])

    def graph(self, graph: LightGraph) -> int:
        """Define what rows of one graph have in common; returns the id that rows give."""
        return self._number("graph", to_bytes(graph))

    def template(self, template: Template, number: int | None = None) -> int:
        """Define the structure of full steps; returns the id that ``full`` takes.

        Args:
            template: The structure.
            number: The id of the one that it replaces.
        """
        data = to_bytes(template, finite=True)  # it has words for numbers that are not
        if number is None:
            return self._number("template", data)
        self._define("template", number, data)
        return number

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
        self._number("event", to_bytes(event))

    def extra(self, key: str, data: bytes) -> None:
        """Keep named bytes; later ones replace earlier ones.

        Raises:
            TraceError: They are more than readers accept.
        """
        if len(data) > most_bytes("extra"):
            msg = f"The {key} takes {len(data):,} bytes, and a trace keeps {most_bytes('extra'):,}."
            raise TraceError(msg, hint="Compute it when it is looked at.")
        self._define("extra", key, data)

    def keep(self, step: int, values: Sequence[bytes]) -> None:
        """Keep large values for a step; ``Trace.whole`` finds them by their digest.

        Where there are none, those that were kept for the step are let go.
        """
        if self.failed is None and not self._closed and os.getpid() == self._process:
            self._queue.values.append((step, values))
            self._queue.wake.set()

    def forget(self, gone: Forgotten) -> None:
        """Let go of what old steps alone need, when all that came before this is written."""
        if self.failed is None and not self._closed and os.getpid() == self._process:
            self._queue.forgotten.append(gone)
            self._queue.wake.set()

    def close(self, status: RunStatus) -> None:
        """Write what is queued and how the run ended. Waits for it; never raises for the disk."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        end = to_bytes(Ending(status, time.time()))
        self._last = [] if self._status_kept else [("about", "end", end)]
        self._queue.stop.set()
        self._queue.wake.set()
        with self._working:  # until it has ended
            pass

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
        while len(queue.fulls) > queue.most_fulls and self._working.locked():
            time.sleep(0.001)

    def _work(self) -> None:
        """Write until it is closed (NOTE 6)."""
        try:
            self._write_all()
        finally:
            self._working.release()

    def _write_all(self) -> None:
        drain: _Drain | None = None
        try:
            drain = self._make_drain(self._queue)
            drain.drain()
            while not self._queue.stop.is_set():
                self._queue.wake.wait(_INTERVAL)
                self._queue.wake.clear()
                drain.drain()
            self._queue.items.extend(self._last)
            drain.finish()
        except Exception as error:  # noqa: BLE001  whatever it is, the training goes on
            self._fail(error)
            if drain is not None:
                drain.close()
            self._discard()
            if drain is not None and drain.in_place():
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
        drain = self._make_drain(self._queue)
        event = drain.next_event(Event("incomplete", None, message))
        self._queue.items.extend([event, *self._last])
        drain.finish()


@dataclass
class _Queue:
    """What waits to be written.

    Attributes:
        rows: Light rows.
        fulls: Full steps.
        values: Large values that are found by their digest, and the step they are kept for.
        forgotten: What nobody needs any more, once all that stands in the queue is written.
        items: Definitions; each was queued before the first row or step that refers to it.
        most_fulls: More full steps than this are more than memory should hold.
        wake: Set to drain at once.
        stop: Set to drain a last time.
    """

    rows: deque[Row] = field(default_factory=deque)
    fulls: deque[Full] = field(default_factory=deque)
    items: deque[Item] = field(default_factory=deque)
    values: deque[tuple[int, Sequence[bytes]]] = field(default_factory=deque)
    forgotten: deque[Forgotten] = field(default_factory=deque)
    most_fulls: int = 256
    wake: Flag = field(default_factory=Flag)
    stop: Flag = field(default_factory=Flag)

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self.fulls.clear()
        self.items.clear()
        self.values.clear()
        self.forgotten.clear()


class _Drain:
    """Writes a queue into a trace; belongs to one thread (NOTE 5).

    Args:
        path: The trace, with its tables.
        queue: What to write.
        budget: How much the file may hold.
        live: Whether the run goes on: then readers may follow, and a heartbeat is kept.
        last: How many steps are kept, 0 for all.
    """

    def __init__(
        self, path: Path, queue: _Queue, budget: Budget, *, live: bool, last: int = 0
    ) -> None:
        self._path = path
        self._file = path.stat()
        self._locked_since = 0.0
        self._connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        self._set_journal("WAL" if live else "DELETE")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        (self._page,) = self._connection.execute("PRAGMA page_size").fetchone()
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {1 + budget.piece // self._page}")
        self._connection.execute(f"PRAGMA journal_size_limit = {budget.piece}")
        # What a keyframe leaves would otherwise be overwritten, through the log.
        self._connection.execute("PRAGMA secure_delete = OFF")
        self._budget = budget
        self._unsaved = 0  # bytes written since the last commit
        self._queue = queue
        self._live = live
        if not live:
            self._write_counts({})
        self._blobs = BlobWriter(self._connection, self._has_room, self._save_before, budget.piece)
        self._fading = (
            Fading(self._connection, self._blobs, budget.size, self._save_before) if last else None
        )
        self._tail: list[Row] = []
        query = "SELECT coalesce(max(first_row + rows), 0), coalesce(max(last_step), 0) FROM blocks"
        self._tail_start, self._floor = self._connection.execute(query).fetchone()
        query = "SELECT coalesce(max(id), 0) FROM fulls"
        self._batches: int = self._connection.execute(query).fetchone()[0]
        self._beat = 0.0

    def drain(self) -> None:
        """Write what is queued now, in one transaction."""
        queue = self._queue
        late = self._live and time.monotonic() - self._beat > _HEARTBEAT
        waiting = queue.rows or queue.fulls or queue.items or queue.values or queue.forgotten
        if (waiting or late) and self._begin():
            asked = self._budget.asked
            self._write_queue()
            self._connection.execute("COMMIT")
            self._unsaved = 0
            self._budget.wrote(self._used(), asked)

    def finish(self) -> None:
        """Write what is queued, seal the counts and leave one ordinary file."""
        while not self._begin():
            pass  # SQLite itself waits some seconds each time
        self._write_queue()
        if notice := self._budget.notice(self._floor):
            self._write_items([self.next_event(notice)])
        self._write_counts(count_rows(self._connection))
        self._connection.execute("COMMIT")
        self.close()

    def next_event(self, event: Event) -> Item:
        """An event behind those that are in the file."""
        last = "SELECT coalesce(max(CAST(key AS INTEGER)), -1) FROM items WHERE kind = 'event'"
        (number,) = self._connection.execute(last).fetchone()
        return "event", str(number + 1), to_bytes(event)

    def in_place(self) -> bool:
        """Whether the file at its path is still the one that is written (NOTE 4)."""
        try:
            return os.path.samestat(self._path.stat(), self._file)
        except OSError:
            return False

    def _begin(self) -> bool:
        """Begin a transaction; False where another program's lock is in the way (NOTE 3).

        Raises:
            TraceError: The file is no longer there.
            sqlite3.OperationalError: The lock stays, or something else is in the way.
        """
        if not self.in_place():
            msg = "it was deleted or replaced while it was recorded"
            raise TraceError(msg)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            self._locked_since = self._locked_since or now
            if not is_locked(error) or now - self._locked_since > _PATIENCE:
                raise
            return False
        self._locked_since = 0.0
        return True

    def _write_queue(self) -> None:
        forgotten = len(self._queue.forgotten)  # asked first: what lets them go came before
        rows, fulls = len(self._queue.rows), len(self._queue.fulls)
        items = _take(self._queue.items, len(self._queue.items))
        self._write_items(items)
        self._write_rows(_take(self._queue.rows, rows))
        self._write_fulls(_take(self._queue.fulls, fulls))
        for step, values in _take(self._queue.values, len(self._queue.values)):
            self._blobs.keep(step, values)
        for gone in _take(self._queue.forgotten, forgotten):
            self._forget(gone)
        if self._live:
            self._beat = time.monotonic()
            self._write_items([("about", "heartbeat", to_bytes(time.time()))])
        self._blobs.flush()

    def _forget(self, gone: Forgotten) -> None:
        if self._fading is not None:
            self._blobs.flush()
            self._fading.fade(gone)
            self._write_items([("extra", "window", to_bytes(gone.window))])
            self._budget.forgotten = gone.window.first

    def _used(self) -> int:
        """Bytes of the file that are in use."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        used: int = (pages - free) * self._page
        return used

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes more may be written; where not, nothing else is."""
        if not self._budget.fits(size, self._used()):
            self._budget.spend()
        return not self._budget.spent

    def _save_before(self, size: int) -> None:
        """Commit what was written where so much more would be a large piece: a log holds it whole.

        What is in the file by then is complete by itself: values come before what refers to them.
        """
        if self._unsaved and self._unsaved + size > self._budget.piece:
            self._connection.execute("COMMIT")
            self._unsaved = 0
            while not self._begin():
                pass
        self._unsaved += size

    def _write_counts(self, counts: dict[str, int]) -> None:
        self._write_items([("about", "counts", to_bytes(counts))])

    def close(self) -> None:
        """Let go of the file; what was not committed is undone."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._set_journal("DELETE")
        except sqlite3.Error:  # the disk is full or gone: the log stays, and readers find it
            pass
        finally:
            self._connection.close()

    def _set_journal(self, mode: str) -> None:
        """Switch between a log beside the file and a single file.

        A reader that has the file open prevents it. Then the log stays beside the file, which
        is as good to read; the next writer tidies up.
        """
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA busy_timeout = 200")
            self._connection.execute(f"PRAGMA journal_mode = {mode}")
        self._connection.execute(f"PRAGMA busy_timeout = {1000 * _BUSY:.0f}")

    def _write_items(self, items: Iterable[Item]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)",
            [item_row(*item) for item in items],
        )

    def _write_rows(self, new: list[Row]) -> None:
        if not new or self._budget.spent:
            return
        rows = self._tail + new
        size = row_bytes(rows[-1])
        limit = max(1, min(MOST_ROWS, _BLOCK_BYTES // size, self._budget.piece // size))
        for start in range(0, len(rows), limit):
            block = rows[start : start + limit]
            if not self._has_room(sum(map(row_bytes, block))):
                return
            first_row = self._tail_start + start
            last_step = self._write_block(first_row, block)
            if len(block) >= min(limit, _CLOSED_ROWS):
                self._floor, block = last_step, []
                if self._fading is not None:
                    self._fading.block(first_row, last_step)
        self._tail_start += len(rows) - len(block)
        self._tail = block

    def _write_block(self, first_row: int, rows: list[Row]) -> int:
        with self._owned_by("block", first_row):
            data, first_step, last_step = pack_rows(rows, self._blobs.put, self._floor)
        keys = (first_row, len(rows), first_step, last_step)
        self._blobs.flush()
        self._save_before(len(data))
        self._connection.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (*keys, seal(*keys), seal(*keys, data) + data),
        )
        return last_step

    @contextmanager
    def _owned_by(self, kind: Literal["block", "batch"], number: int) -> Iterator[None]:
        """Large values that are put belong to what may be let go of, where old steps may."""
        self._blobs.owner = (kind, number) if self._fading is not None else None
        try:
            yield
        finally:
            self._blobs.owner = None

    def _write_fulls(self, fulls: list[Full]) -> None:
        for (template, _), group in groupby(fulls, lambda full: (full[1], len(full[2]))):
            steps = list(group)
            inside, everything = slots_bytes(steps[-1][2])
            self._queue.most_fulls = max(16, min(65536, _QUEUE_BYTES // (everything + 1024)))
            each = _full_bytes(steps) // len(steps)
            most = min(_BATCH_BYTES // (inside + 1), self._budget.piece // (each + 1))
            limit = max(1, min(_BATCH_STEPS, most))
            for start in range(0, len(steps), limit):
                batch = steps[start : start + limit]
                if self._budget.spent or not self._has_room(self._new_bytes(batch)):
                    return
                self._write_batch(template, batch)

    def _new_bytes(self, steps: Sequence[Full]) -> int:
        """Bytes that full steps add to the file: what it holds is not written again."""
        size = _full_bytes(steps)
        if self._budget.fits(size, self._used()):
            return size
        values = _values_of(steps)
        return sum(len(value) for value in values if not self._blobs.holds(value))

    def _write_batch(self, template: int, fulls: list[Full]) -> None:
        self._batches += 1
        with self._owned_by("batch", self._batches):
            data = pack_fulls([slots for _, _, slots in fulls], self._blobs.put)
        numbers = [step for step, _, _ in fulls]
        steps = np.array(numbers, "<i8").tobytes()
        if self._fading is not None:
            self._fading.batch(self._batches, numbers, lean=template < 0)
        keys = (self._batches, template, steps)
        self._blobs.flush()
        self._save_before(len(data))
        self._connection.execute(
            "INSERT INTO fulls VALUES (?, ?, ?, ?, ?)",
            (*keys, seal(*keys), seal(*keys, data) + data),
        )


def _full_bytes(steps: Sequence[Full]) -> int:
    return sum(map(len, _values_of(steps)))


def _values_of(steps: Sequence[Full]) -> list[bytes]:
    """The values of full steps, each object once."""
    there = (entry for _, _, slots in steps for entry in slots if type(entry) is bytes)
    return list({id(entry): entry for entry in there}.values())


def _take(queue: deque[T], number: int) -> list[T]:
    take = queue.popleft
    return [take() for _ in range(number)]


def _make_room(path: Path, *, force: bool) -> None:
    """See that a trace may be made at a path, and take away what ``force`` allows to replace.

    A symbolic link is followed: the file that it names is replaced, the link stays.
    """
    target = path.resolve()
    if target.is_dir():
        msg = f"{path} is a folder."
        raise TraceError(msg, hint="Give the name of a file, for example run.lens.")
    if not target.parent.is_dir():
        msg = f"There is no folder {target.parent} to write {path.name} into."
        raise TraceError(msg, hint="Make it first, or choose another place.")
    if target.exists():
        _check_replaceable(path, target, force=force)
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path} cannot be replaced: {error}."
        raise TraceError(msg, hint="Choose another name.") from error


def _check_replaceable(path: Path, target: Path, *, force: bool) -> None:
    if not target.is_file():
        msg = f"{path} is a device or a pipe, not a file that could hold a trace."
        raise TraceError(msg, hint="Give the name of a file, for example run.lens.")
    if not force:
        msg = f"{path} exists already."
        raise TraceExistsError(msg, hint="Use force (--force) to replace it, or another name.")
    if _is_recorded_into(target):
        msg = f"{path} is being recorded into by another run."
        raise TraceExistsError(msg, hint="Choose another name, or wait until that run has ended.")


def _is_recorded_into(path: Path) -> bool:
    try:
        with Trace(path) as trace:
            return trace.info.status == "running"
    except TraceError:  # no trace, or a damaged one
        return False


def _create_tables(path: Path, info: RunInfo) -> None:
    """The tables and what is known now, in the file itself before any log exists."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(f"BEGIN; {SCHEMA}")
        about: Iterable[tuple[str, bytes]] = (
            ("info", to_bytes(info)),
            ("owner", to_bytes(Owner.this_process())),
        )
        for key, data in about:
            row = item_row("about", key, data)
            connection.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
    finally:
        connection.close()
