"""A damaged file, or one made to do harm, gives a clear error or the true values."""

from __future__ import annotations

import re
import resource
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograd_lens.errors import LensError, NewerFormatError, NotATraceError, TraceError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter, Source
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.schema import squeeze, unsqueeze, visible
from autograd_lens.trace.tape import (
    TapeArgument,
    TapeKernel,
    TapeTensor,
    Template,
    TensorSlot,
    ValueSlot,
)
from autograd_lens.trace.writer import RunInfo, TraceWriter
from tests.support.hostile import AIMED, edited, mutant, records, sort_of

SEEDS = 225  # with the attacks more than 200 files; tests/bench/hostile.py tries thousands
UNSEALED = {"bytes", "pages", "sql"}  # damage that the seals must show

GRAPH = LightGraph(
    source=Source("train.py", 1, 1, 0, 3, "<module>"),
    fingerprint="f00d",
    roots=(("float32", ()),),
    reached=(0, 1),
    loss=0,
)
TEMPLATE = Template(
    specs=(("float32", (1,), "cpu"), ("uint8", (6000,), "cpu")),
    sources=(("train.py", 1, 1, 0, 3, "<module>"),),
    tensors=(TapeTensor(0, "parameter", "w"), TapeTensor(1, "input", "x")),
    kernels=(
        TapeKernel(
            op="aten.mul.Tensor",
            args=(
                TapeArgument("self", TensorSlot(0, 0)),
                TapeArgument("other", TensorSlot(1, 1)),
            ),
            outs=(ValueSlot(0, 2),),
            phase="forward",
            node=None,
            backward=0,
            source=0,
            module="",
            training=None,
            makes_node=None,
            grad_mode=True,
            generator=None,
        ),
    ),
    backwards=(),
    updates=(),
    zero_grads=(),
    grad_changes=(),
    handed=(),
    omitted=(),
    slots=3,
    lean=False,
)


def f32(number: float) -> bytes:
    return struct.pack("<f", number)


def read_everything(path: Path) -> list[object]:
    """All that a trace says."""
    with Trace(path) as trace:
        return [
            repr(trace.info),
            dict(trace.parameters),
            trace.events,
            trace.full_steps,
            trace.losses.tobytes(),
            trace.parameter("w").values.tobytes(),
            trace.parameter("big").grads.tobytes(),
            trace.line(Source("train.py", 1, 1, 0, 3, "")),
            trace.extra("surface"),
            [trace.rows.extras(row) for row in range(len(trace.rows))],
            list(trace.steps),
        ]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A finished trace with something of everything."""
    path = tmp_path_factory.mktemp("sound") / "run.lens"
    writer = TraceWriter.create(path, RunInfo(program="train.py", seed=0))
    writer.parameter(0, Parameter("w", (1,), "float32", "cpu"))
    writer.parameter(1, Parameter("big", (2000,), "float32", "cpu"))
    writer.source("train.py", "loss.backward()\n")
    writer.event(Event("warning", 1, "hot"))
    writer.extra("surface", bytes(range(256)))
    writer.graph(GRAPH)
    template = writer.template(TEMPLATE)
    for step in range(40):
        big = struct.pack("<f", step % 3) * 2000
        row = (step, 0, f32(step), [f32(step), big], [None, None], [f32(1), big], {"rng": b"r"})
        writer.rows.append(row)
        if step % 5 == 0:
            writer.full(step, template, [f32(step), bytes(6000), f32(2)])
    writer.close("finished")
    assert writer.failed is None
    return path.read_bytes()


@pytest.fixture(scope="module")
def truth(sound: bytes) -> list[object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.lens")
        path.write_bytes(sound)
        return read_everything(path)


def read_mutant(data: bytes, folder: Path) -> list[object] | None:
    """All that a damaged trace says, None where it is refused; within 5 s of work and 500 MB."""
    path = folder / "run.lens"
    path.write_bytes(data)
    begun, before = time.process_time(), most_memory()
    said, refusal = None, ""
    try:
        said = read_everything(path)
    except LensError as error:
        refusal = str(error)
    assert len(refusal) < 2_000
    assert refusal.isprintable()
    assert time.process_time() - begun < 5
    assert most_memory() - before < 500
    return said


def most_memory() -> int:
    """The most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


@pytest.mark.parametrize("first", range(0, SEEDS, 25))
def test_damage_is_refused_or_does_not_matter(
    sound: bytes, truth: list[object], first: int, tmp_path: Path
) -> None:
    for seed in range(first, first + 25):
        if sort_of(seed) == "aimed":
            continue  # each of these has a test of its own
        said = read_mutant(mutant(sound, seed), tmp_path)
        if sort_of(seed) in UNSEALED:
            assert said is None or repr(said) == repr(truth), f"seed {seed} gives other values"


@pytest.mark.parametrize("attack", AIMED)
def test_no_attack_does_harm(sound: bytes, attack: str, tmp_path: Path) -> None:
    read_mutant(edited(sound, AIMED[attack]), tmp_path)


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        ("a view that never ends in place of a table", "its tables are not those of a trace"),
        ("a generated column", "its tables are not those of a trace"),
        ("a source text of 1.5 GB", "claims 1,610,612,736 bytes"),
        ("10^15 steps", "claims 1,000,000,000,000,001 steps"),
        ("a graph that reaches what is not there", "or of a parameter of it, is missing"),
        ("a template of open brackets", "a template cannot be understood"),
    ],
)
def test_what_is_wrong_is_said(sound: bytes, attack: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    path.write_bytes(edited(sound, AIMED[attack]))
    with pytest.raises(NotATraceError, match=re.escape(says)):
        read_everything(path)


def test_a_wrong_field_is_named_with_its_place(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    path.write_bytes(edited(sound, records("parameter", shape=[1, "many"])))
    with Trace(path) as trace, pytest.raises(NotATraceError, match=r"\$\.shape\[1\]"):
        trace.parameters  # noqa: B018  reading it is what is tested


def test_control_characters_in_text_are_shown_as_such(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.lens"
    path.write_bytes(edited(sound, records("event", message="\x1b]0;x\x07\u202eb\x9b")))
    with Trace(path) as trace:
        assert [event.message for event in trace.events] == ["␛]0;x␇�b�"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé 漢字", "plain ünïcödé 漢字"),
        ("two\n\tlines", "two\n\tlines"),
        ("\r\x00\x7f", "␍␀␡"),
        ("caf\udce9.py", "caf\udce9.py"),  # the byte of a name in an unknown encoding
        ("\ud83d", "�"),
    ],
)
def test_visible_leaves_what_can_be_seen(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_step_that_holds_less_than_its_structure_is_refused_also_for_replay(
    tmp_path: Path,
) -> None:
    writer = TraceWriter.create(tmp_path / "run.lens", RunInfo(program="train.py", seed=0))
    writer.parameter(0, Parameter("w", (1,), "float32", "cpu"))
    writer.graph(GRAPH)
    writer.rows.append((0, 0, f32(1), [f32(1)], [None], [f32(1)], {}))
    writer.full(0, writer.template(TEMPLATE), [f32(1)])
    writer.close("finished")
    assert writer.failed is None
    with Trace(tmp_path / "run.lens") as trace:
        for read in (trace.encoded, trace.written):
            with pytest.raises(NotATraceError, match="1 values where 3 belong"):
                read(0)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_refused(tmp_path: Path, sound: bytes, share: float) -> None:
    path = tmp_path / "run.lens"
    path.write_bytes(sound[: int(share * len(sound))])
    with pytest.raises(NotATraceError):
        read_everything(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"SQLite format 3\x00", bytes(n * n % 251 for n in range(5000))],
    ids=["empty", "text", "header", "noise"],
)
def test_other_files_are_no_traces(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(NotATraceError, match=r"notes\.txt is not a trace"):
        Trace(path)


def test_other_databases_are_no_traces(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE items (kind)")
    connection.close()
    with pytest.raises(NotATraceError, match="is not a trace"):
        Trace(path)


def test_a_missing_file_and_a_folder_are_explained(tmp_path: Path) -> None:
    with pytest.raises(NotATraceError, match="There is no trace"):
        Trace(tmp_path / "run.lens")
    with pytest.raises(NotATraceError, match="cannot be read"):
        Trace(tmp_path)


def change(path: Path, sound: bytes, *statements: str) -> Path:
    """The sound trace, changed with SQL."""
    path.write_bytes(sound)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def test_a_newer_format_is_refused(tmp_path: Path, sound: bytes) -> None:
    path = change(tmp_path / "run.lens", sound, "PRAGMA user_version = 3")
    with pytest.raises(NewerFormatError, match=r"has format 3; this version reads format 2.*pip"):
        Trace(path)


def test_an_older_format_is_refused(tmp_path: Path, sound: bytes) -> None:
    path = change(tmp_path / "run.lens", sound, "PRAGMA user_version = 1")
    with pytest.raises(TraceError, match=r"has format 1 of an older version.*Record the run again"):
        Trace(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM blocks",
        "DELETE FROM fulls",
        "DELETE FROM blobs",
        "DELETE FROM items WHERE kind = 'parameter'",
        "DELETE FROM items WHERE kind = 'graph'",
        "DELETE FROM items WHERE kind = 'template'",
        "DELETE FROM items WHERE key = 'info'",
        "DROP TABLE blobs",
        "UPDATE blocks SET rows = rows + 1",
        "UPDATE blocks SET last_step = 'x'",
        "UPDATE blocks SET data = 5",
        "UPDATE fulls SET steps = zeroblob(8000)",
        "UPDATE fulls SET template = 7",
        "UPDATE blobs SET data = zeroblob(8)",
        "UPDATE items SET data = 'text'",
    ],
)
def test_edited_tables_are_refused(tmp_path: Path, sound: bytes, statement: str) -> None:
    path = change(tmp_path / "run.lens", sound, statement)
    with pytest.raises(NotATraceError, match="damaged"):
        read_everything(path)


def test_a_small_stored_value_cannot_claim_a_huge_size() -> None:
    stored = bytearray(squeeze(bytes(100_000)))
    stored[1:9] = (1 << 50).to_bytes(8, "little")
    with pytest.raises(NotATraceError, match="claims 1,125,899,906,842,624 bytes"):
        unsqueeze(bytes(stored))


@pytest.mark.parametrize("edit", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:5]])
def test_a_stored_value_has_exactly_its_size(edit: Callable[[bytes], bytes]) -> None:
    for data in (b"short", bytes(10_000)):
        with pytest.raises(NotATraceError):
            unsqueeze(edit(squeeze(data)))


@pytest.fixture(autouse=True)
def no_files_left(tmp_path: Path) -> Iterator[None]:
    """Reading, also in vain, leaves nothing beside the trace."""
    yield
    assert not list(tmp_path.glob("*-wal"))
