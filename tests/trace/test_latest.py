"""The pointer to the latest recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograd_lens.errors import TraceError
from autograd_lens.trace.latest import latest, remember, state_folder


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
