"""Whatever happens to the program, the trace can be read up to its last second."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from autograd_lens.errors import TraceError, TraceExistsError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.store import Database
from autograd_lens.trace.writer import RunInfo, TraceWriter

ROOT = Path(__file__).parents[2]
W1 = Parameter("w1", (), "float64", "cpu")
GRAPH = LightGraph(
    fingerprint="",
    roots=(("float64", ()),),
    reached=(0,),
    loss=0,
)
PROLOGUE = f"""
import os, struct, sys, time
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.writer import RunInfo, TraceWriter
writer = TraceWriter.create(sys.argv[1], RunInfo(program="train.py"))
writer.parameter(0, Parameter("w1", (), "float64", "cpu"))
graph = writer.graph({GRAPH!r})
def row(step, value=b"12345678"):
    return step, graph, struct.pack("<d", time.time()), [value], [None], [value]
"""


def f64(number: float) -> bytes:
    return struct.pack("<d", number)


def start(script: str, path: Path) -> subprocess.Popen[str]:
    code = PROLOGUE + textwrap.dedent(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # Python 3.12 counts NumPy's threads too where a process forks, and warns.
    environment["PYTHONWARNINGS"] = "ignore:This process:DeprecationWarning"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def create(path: Path) -> TraceWriter:
    writer = TraceWriter.create(path, RunInfo(program="train.py"))
    writer.parameter(0, W1)
    writer.graph(GRAPH)
    return writer


def wait_for(trace: Trace, steps: int) -> None:
    """Follow a live trace until it has so many steps."""
    until = time.monotonic() + 10
    while len(trace.steps) < steps:
        assert time.monotonic() < until, f"still {len(trace.steps)} steps"
        time.sleep(0.05)
        trace.refresh()


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_misses_at_most_its_last_second(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "run.lens"
    program = start(
        """
        print("on", flush=True)
        for step in range(10**9):
            writer.rows.append(row(step))
            time.sleep(0.0005)
        """,
        path,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "on\n"
    time.sleep(random.Random(seed).uniform(0.2, 1.6))  # noqa: S311
    killed = time.time()
    program.send_signal(signal.SIGKILL)
    program.communicate()
    with Trace(path) as trace:
        assert trace.info.status == "killed"
        assert trace.info.ended is None
        last = trace.losses[-1] if len(trace.losses) else trace.info.started
        # Half a second between commits; the rest is for a busy machine.
        assert len(trace.losses) == 0 or killed - last < 2.0
        assert [step.index for step in trace.steps[-3:]] == [
            *range(max(0, len(trace.steps) - 3), len(trace.steps))
        ]


def test_a_run_can_be_followed(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    with Trace(writer.path) as trace:
        assert (trace.info.status, len(trace.steps)) == ("running", 0)
        for step in range(300):
            writer.rows.append((step, 0, f64(step), [f64(step)], [None], [f64(1)]))
        wait_for(trace, 300)
        assert trace.steps[-1].loss == 299
        assert trace.steps[-1].parameters["w1"].after is None
        writer.parameter(1, Parameter("b1", (), "float64", "cpu"))
        writer.rows.append((300, 0, f64(300), [f64(300), f64(7)], [None], [f64(1)]))
        wait_for(trace, 301)
        assert trace.steps[300].parameters["b1"].before is not None
        after = trace.steps[299].parameters["w1"].after
        assert after is not None
        assert after.item() == 300
        writer.close("finished")
        trace.refresh()
        assert trace.info.status == "finished"
        assert trace.parameter("w1").values[:301].tolist() == list(range(301))


def test_after_the_end_a_trace_is_one_ordinary_file(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
    writer.close("finished")
    assert [file.name for file in tmp_path.iterdir()] == ["run.lens"]
    header = (tmp_path / "run.lens").read_bytes()[:20]
    assert header[18:20] == b"\x01\x01", "not in WAL mode"


def test_a_full_disk_ends_the_recording_but_not_the_program(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    program = start(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        writer.on_failure = lambda message: print("failed", message, flush=True)
        from autograd_lens.trace.tape import Template
        template = writer.template(Template((), (), (), (), (), (), (), (), (), (), 1, False))
        for step in range(200):
            writer.rows.append(row(step, os.urandom(4000)))
            writer.full(step, template, [os.urandom(4000)])
            time.sleep(0.01)
        assert writer.failed is not None
        time.sleep(0.7)
        assert not writer.rows, "what cannot be written is dropped"
        writer.close("finished")
        print("goes on")
        """,
        path,
    )
    output, errors = program.communicate(timeout=30)
    assert errors == ""
    assert output.count("failed") == 1
    assert "run.lens: " in output
    assert output.endswith("goes on\n")
    with Trace(path) as trace:
        for step in trace.steps:
            assert step.loss is not None


def test_a_failed_recording_says_so_inside(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    messages: list[str] = []
    writer.on_failure = messages.append
    writer.event(Event("warning", None, "before"))
    writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
    with Trace(writer.path) as trace:
        wait_for(trace, 1)
    writer.rows.append((1, 0, f64(1), ["not a value"], [None], [None]))  # type: ignore[list-item]
    writer.event(Event("warning", None, "lost with the row"))
    while writer.failed is None:
        time.sleep(0.05)
    writer.rows.append((2, 0, f64(1), [f64(1)], [None], [None]))
    writer.close("finished")
    assert messages == [writer.failed]
    with Trace(writer.path) as trace:
        assert len(trace.steps) == 1
        assert trace.info.status == "finished"
        assert [event.kind for event in trace.events] == ["warning", "incomplete"]


def test_a_forked_child_never_writes(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    program = start(
        """
        writer.rows.append(row(0))
        time.sleep(0.8)
        child = os.fork()
        for step in range(1, 600):
            writer.rows.append(row(step))
            writer.full(step, 0, [b"slot"])
        writer.event(Event("warning", None, "child" if child == 0 else "parent"))
        if child:
            assert os.waitpid(child, 0)[1] == 0
        writer.close("exception" if child == 0 else "finished")
        """,
        path,
    )
    _, errors = program.communicate(timeout=30)
    assert (errors, program.returncode) == ("", 0)
    with Trace(path) as trace:
        assert trace.info.status == "finished"
        assert [event.message for event in trace.events] == ["parent"]
        assert len(trace.rows) == 600


def test_memory_is_bounded_where_the_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograd_lens.trace.writer._QUEUE_BYTES", 20 * 100_000)
    writer = create(tmp_path / "run.lens")
    most = 0
    for step in range(400):
        writer.full(step, 0, [struct.pack("<q", step) * 12_500])
        most = max(most, len(writer._queue.fulls))
    writer.close("finished")
    assert writer.failed is None
    assert most <= 258, "the first steps, whose size is not known yet, and then fewer"
    with Trace(writer.path) as trace:
        assert len(trace.full_steps) == 400


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    path.write_text("precious")
    with pytest.raises(TraceExistsError, match=r"exists already.*--force"):
        TraceWriter.create(path, RunInfo())
    assert path.read_text() == "precious"
    TraceWriter.create(path, RunInfo(), force=True).close("finished")
    assert Trace(path).info.status == "finished"


def test_force_replaces_regular_files_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/null")):
        with pytest.raises(TraceError, match="is a device or a pipe"):
            TraceWriter.create(place, RunInfo(), force=True)
    assert pipe.is_fifo()


def test_force_replaces_what_a_link_names_and_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "real.lens", tmp_path / "link.lens"
    target.write_text("precious")
    link.symlink_to(target)
    with pytest.raises(TraceExistsError, match="exists already"):
        TraceWriter.create(link, RunInfo())
    TraceWriter.create(link, RunInfo(), force=True).close("finished")
    assert link.is_symlink()
    assert Trace(target).info.status == "finished"


def test_a_file_that_is_recorded_into_is_not_replaced(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    with pytest.raises(TraceExistsError, match="being recorded into by another run"):
        TraceWriter.create(writer.path, RunInfo(), force=True)
    writer.close("finished")
    TraceWriter.create(writer.path, RunInfo(), force=True).close("finished")


@pytest.mark.parametrize("deed", ["deleted", "moved", "replaced"])
def test_a_file_that_goes_away_ends_the_recording_and_is_told(tmp_path: Path, deed: str) -> None:
    writer = create(tmp_path / "run.lens")
    with Trace(writer.path) as trace:
        writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
        wait_for(trace, 1)
    if deed == "moved":
        writer.path.rename(tmp_path / "elsewhere.lens")
    else:
        writer.path.unlink()
    if deed == "replaced":
        writer.path.write_text("another's")
    writer.rows.append((1, 0, f64(1), [f64(1)], [None], [None]))
    writer.close("finished")
    assert writer.failed is not None
    assert "deleted or replaced" in writer.failed
    if deed == "replaced":
        assert writer.path.read_text() == "another's"


def test_a_foreign_lock_of_some_seconds_does_not_end_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograd_lens.trace.writer._BUSY", 0.5)
    writer = create(tmp_path / "run.lens")
    with Trace(writer.path) as trace:
        writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
        wait_for(trace, 1)
    foreign = sqlite3.connect(writer.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    writer.rows.append((1, 0, f64(2), [f64(1)], [None], [None]))
    time.sleep(2.0)  # several times what SQLite itself waits
    assert writer.failed is None
    foreign.execute("ROLLBACK")
    foreign.close()
    writer.rows.append((2, 0, f64(3), [f64(1)], [None], [None]))
    writer.close("finished")
    assert writer.failed is None
    with Trace(writer.path) as trace:
        assert trace.losses.tolist() == [1, 2, 3]


def test_a_foreign_lock_that_stays_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograd_lens.trace.writer._PATIENCE", 0.0)
    monkeypatch.setattr("autograd_lens.trace.writer._BUSY", 0.2)
    writer = create(tmp_path / "run.lens")
    with Trace(writer.path) as trace:
        writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
        wait_for(trace, 1)
    foreign = sqlite3.connect(writer.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    writer.rows.append((1, 0, f64(2), [f64(1)], [None], [None]))
    writer.close("finished")
    foreign.close()
    assert writer.failed is not None
    assert "locked" in writer.failed


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no folder"):
        TraceWriter.create(tmp_path / "nowhere" / "run.lens", RunInfo())
    with pytest.raises(TraceError, match="is a folder"):
        TraceWriter.create(tmp_path, RunInfo(), force=True)


def test_a_killed_run_is_read_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = create(tmp_path / "run.lens")
    writer.rows.append((0, 0, f64(5), [f64(1)], [None], [None]))
    with Trace(writer.path) as trace:
        wait_for(trace, 1)
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in tmp_path.glob("run.lens*"):
            if not file.name.endswith("-shm"):
                (copy / file.name).write_bytes(file.read_bytes())
    writer.close("finished")
    before = sorted(file.name for file in copy.iterdir())
    forbid_plain_opening(monkeypatch)
    with Trace(copy / "run.lens") as trace:
        assert trace.losses.tolist() == [5.0]
    assert sorted(file.name for file in copy.iterdir()) == before


def forbid_plain_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite does in a folder that it may not write to, also when tests run as root."""

    def refuse(_path: Path) -> None:
        msg = "attempt to write a readonly database"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr("autograd_lens.trace.store._open_plain", refuse)


def test_a_finished_run_is_read_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = create(tmp_path / "run.lens")
    writer.close("finished")
    forbid_plain_opening(monkeypatch)
    database = Database(writer.path)
    assert database.rows("SELECT id FROM items")
    database.close()


def test_a_slow_run_is_stored_in_large_blocks(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    with Trace(writer.path) as trace:
        for step in range(3):  # each waits for its own commit
            writer.rows.append((step, 0, f64(step), [f64(step)], [None], [None]))
            wait_for(trace, step + 1)
    writer.close("finished")
    with Trace(writer.path) as trace:
        assert trace.rows.block_rows() == [(0, 3)]


def test_late_rows_of_other_threads_keep_the_order_of_steps(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    for step in (0, 1, 3, 2, 4):
        writer.rows.append((step, 0, f64(step), [f64(step)], [None], [None]))
    writer.close("finished")
    with Trace(writer.path) as trace:
        assert [len(step.backwards) for step in trace.steps] == [1, 1, 0, 2, 1]


def test_owner_is_kept_as_plain_data(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    writer.close("finished")
    with Trace(writer.path) as trace:
        owner = trace.items.get("about", "owner")
        assert owner is not None
        assert json.loads(owner)["pid"] == os.getpid()


def test_an_open_reader_hinders_neither_the_end_nor_a_later_writer(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    writer.rows.append((0, 0, f64(1), [f64(1)], [None], [None]))
    with Trace(writer.path) as trace:
        wait_for(trace, 1)
        writer.close("finished")
        later = TraceWriter.reopen(writer.path)
        later.extra("surface", b"late")
        later.close("finished")
        assert (writer.failed, later.failed) == (None, None)
        assert trace.items.get("extra", "surface") == b"late"
    TraceWriter.reopen(writer.path).close("finished")
    assert [file.name for file in tmp_path.iterdir()] == ["run.lens"]


def test_a_killed_run_can_be_added_to(tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    program = start("writer.rows.append(row(0)); time.sleep(1.2); os._exit(9)", path)
    program.communicate(timeout=30)
    writer = TraceWriter.reopen(path)
    writer.extra("surface", b"late")
    writer.close("finished")
    with Trace(path) as trace:
        assert (trace.info.status, len(trace.steps)) == ("killed", 1)
        assert trace.extra("surface") == b"late"


def test_a_run_that_goes_on_is_not_reopened(tmp_path: Path) -> None:
    writer = create(tmp_path / "run.lens")
    with pytest.raises(TraceError, match="still being recorded"):
        TraceWriter.reopen(writer.path)
    writer.close("finished")
