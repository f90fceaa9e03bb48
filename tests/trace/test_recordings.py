"""Which recording is the latest, which there are, and those that were set aside."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from autograd_lens.errors import TraceError, TraceExistsError
from autograd_lens.trace.info import RunInfo, RunStatus
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.recordings import latest, recordings, remember, set_aside, state_folder
from autograd_lens.trace.writer import TraceWriter


def record(path: Path, started: float, steps: int = 2, status: RunStatus = "finished") -> Path:
    """A recording that began at some time."""
    writer = TraceWriter.create(path, RunInfo(program="train.py", started=started))
    graph = writer.graph({
        "kind": "backward", "source": None, "fingerprint": "", "roots": [["float32", []]],
        "retain_graph": False, "create_graph": False, "reached": [], "loss": 0, "error": "",
    })  # fmt: skip
    for step in range(steps):
        writer.rows.append((step, graph, bytes(4), [], [], []))
    writer.close(status)
    return path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("AUTOGRAD_LENS_STATE", str(folder))
    return folder


def test_the_last_one_remembered_is_the_latest(tmp_path: Path) -> None:
    for name in ("one.lens", "zwei ü.lens"):
        (tmp_path / name).touch()
        remember(tmp_path / name)
    assert latest() == tmp_path / "zwei ü.lens"


def test_relative_names_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.lens").touch()
    monkeypatch.chdir(tmp_path)
    remember("run.lens")
    monkeypatch.chdir("/")
    assert latest() == tmp_path / "run.lens"


def test_before_the_first_recording_it_says_how_to_make_one() -> None:
    with pytest.raises(TraceError, match=r"Nothing was recorded yet.*autograd-lens run"):
        latest()


def test_a_recording_that_was_removed_is_named(tmp_path: Path) -> None:
    remember(tmp_path / "run.lens")
    with pytest.raises(TraceError, match=r"run\.lens, which is gone"):
        latest()


def test_a_state_folder_that_cannot_be_written_is_no_error(state: Path, tmp_path: Path) -> None:
    state.write_text("a file stands where the folder should be")
    remember(tmp_path / "run.lens")
    assert state.read_text() == "a file stands where the folder should be"


def test_without_our_own_variable_the_system_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRAD_LENS_STATE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", "/some/state")
    assert state_folder() == Path("/some/state/autograd_lens")


def test_this_folders_recording_goes_before_one_of_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    remember(record(elsewhere / "newest.lens", 300))
    monkeypatch.chdir(here)
    assert latest() == elsewhere / "newest.lens"
    newer = record(here / "b.lens", 200)
    record(here / "a.lens", 100)
    (here / "damaged.lens").write_text("no recording")
    assert latest() == newer
    remember(here / "a.lens")  # by a run of just now, or by one whose clock is wrong
    assert latest() == here / "a.lens"


def test_another_users_recording_is_named_and_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(record(tmp_path / "theirs.lens", 1))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "theirs.lens").stat().st_uid + 1)
    with pytest.raises(TraceError, match=r"theirs\.lens, is another user's\. Name the trace"):
        latest()


def test_the_last_five_are_kept_aside_and_listed(tmp_path: Path) -> None:
    for started in range(0, 8 * 3600, 3600):
        assert (set_aside(tmp_path / "train.lens") is None) == (started == 0)
        record(tmp_path / "train.lens", started)
        record(tmp_path / "train-2.lens", 0).unlink()  # another name is nobody's elder
    assert [(one.path.name, one.started, one.steps) for one in recordings(tmp_path)] == [
        ("train.lens", 7 * 3600, 2),
        *((f"train-19700101-0{hour}0000.lens", hour * 3600, 2) for hour in (6, 5, 4, 3, 2)),
    ]
    with Trace(tmp_path / ".autograd_lens" / "train-19700101-040000.lens") as trace:
        assert trace.info.started == 4 * 3600
    assert (tmp_path / ".autograd_lens" / ".gitignore").read_text() == "*\n"


def test_two_of_one_second_are_both_kept(tmp_path: Path) -> None:
    for _ in range(3):
        record(tmp_path / "a.lens", 60)
        set_aside(tmp_path / "a.lens")
    names = sorted(path.name for path in (tmp_path / ".autograd_lens").glob("*.lens"))
    assert names == [
        "a-19700101-000100-002.lens",
        "a-19700101-000100-003.lens",
        "a-19700101-000100.lens",
    ]


def test_a_recording_without_steps_is_not_worth_a_place(tmp_path: Path) -> None:
    record(tmp_path / "a.lens", 60, steps=0)
    assert set_aside(tmp_path / "a.lens") is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_recording_is_set_aside_and_told(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.lens") as connection:
        connection.execute("CREATE TABLE something (x)")
    kept = set_aside(tmp_path / "a.lens")
    assert kept is not None
    (listed,) = recordings(tmp_path)
    assert listed.path == kept
    assert listed.problem


def test_what_is_no_recording_stays(tmp_path: Path) -> None:
    (tmp_path / "a.lens").write_text("mine")
    with pytest.raises(TraceExistsError, match=r"is no recording\. Add --force"):
        set_aside(tmp_path / "a.lens")
    assert (tmp_path / "a.lens").read_text() == "mine"


def test_a_run_that_goes_on_keeps_its_file(tmp_path: Path) -> None:
    writer = TraceWriter.create(tmp_path / "a.lens", RunInfo(program="train.py"))
    with pytest.raises(TraceExistsError, match="is being recorded by another run"):
        set_aside(tmp_path / "a.lens")
    writer.close("finished")
