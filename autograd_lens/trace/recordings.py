"""Recordings by name: the latest, all those of a folder, those that a later run set aside."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograd_lens.errors import TraceError, TraceExistsError
from autograd_lens.trace.info import RunStatus
from autograd_lens.trace.reader import Trace

__all__ = ["Recording", "latest", "put_back", "recordings", "remember", "set_aside", "state_folder"]

_POINTER = "latest"
_ASIDE = ".autograd_lens"  # the folder beside a recording that holds those before it
_KEPT = 5  # of them, for each name
_COMPANIONS = ("", "-wal", "-shm", "-journal")  # SQLite's own, where a run was killed


@dataclass(frozen=True, slots=True)
class Recording:
    """A trace file, as a list of them tells it.

    Attributes:
        path: The file.
        size: Bytes.
        steps: Number of steps.
        started: Start of the recording, seconds since 1970 in UTC.
        status: How the run ended; ``""`` where the file cannot be read.
        problem: Why it cannot be read; ``""`` where it can.
    """

    path: Path
    size: int
    steps: int = 0
    started: float = 0.0
    status: RunStatus | str = ""
    problem: str = ""

    @classmethod
    def read(cls, path: Path) -> Recording:
        """What a file says of itself."""
        size = path.stat().st_size
        try:
            with Trace(path) as trace:
                info, steps = trace.info, len(trace.steps)
        except TraceError as error:
            problem = str(error.args[0]).removeprefix(str(path.absolute())).strip()
            return cls(path, size, started=path.stat().st_mtime, problem=problem)
        return cls(path, size, steps, info.started, info.status)


def recordings(folder: Path) -> tuple[Recording, ...]:
    """The recordings of a folder, the latest first, and behind them those that were set aside."""
    found: list[Recording] = []
    for place in (folder, folder / _ASIDE):
        files = [Recording.read(path) for path in place.glob("*.lens") if path.is_file()]
        found += sorted(files, key=lambda one: one.started, reverse=True)
    return tuple(found)


# -- the latest -------------------------------------------------------------------------------


def remember(path: str | os.PathLike[str]) -> None:
    """Make a trace the latest. Where that cannot be written down, it is forgotten."""
    pointer = state_folder() / _POINTER
    draft = pointer.with_name(f"{_POINTER}.{os.getpid()}")
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"{Path(path).absolute()}\n", encoding="utf-8", errors="surrogateescape")
        draft.replace(pointer)  # at once, so that nobody reads half a name
    except OSError:
        with suppress(OSError):
            draft.unlink()


def latest(folder: Path | None = None) -> Path:
    """The latest recording of a folder; where it has none, the one that was remembered last.

    Args:
        folder: The folder; by default the working directory.

    Raises:
        TraceError: There is none, it is gone, or it is another user's.
    """
    folder = (folder or Path.cwd()).resolve()
    remembered = _remembered()
    if remembered is not None and remembered.is_file() and remembered.parent.resolve() == folder:
        return remembered
    here = [Recording.read(path) for path in folder.glob("*.lens") if path.is_file()]
    readable = [one for one in here if not one.problem]
    if readable:
        return max(readable, key=lambda one: one.started).path
    if remembered is None:
        msg = "Nothing was recorded yet."
        hint = "Record a program with autograd-lens run train.py, or name a trace."
        raise TraceError(msg, hint=hint)
    if not remembered.is_file():
        msg = f"The latest recording was {remembered}, which is gone."
        raise TraceError(msg, hint="Name the trace to read, or record again.")
    if sys.platform != "win32" and remembered.stat().st_uid != os.getuid():
        msg = f"This folder has no recording, and the latest, {remembered}, is another user's."
        raise TraceError(msg, hint="Name the trace to read, or record again.")
    return remembered


def _remembered() -> Path | None:
    try:
        text = (state_folder() / _POINTER).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return Path(text.rstrip("\n"))


def state_folder() -> Path:
    """Where this user's programs keep what they remember.

    ``AUTOGRAD_LENS_STATE`` where that is set, else what the system is used to.
    """
    ours = os.environ.get("AUTOGRAD_LENS_STATE")
    return Path(ours) if ours else _system_folder() / "autograd_lens"


def _system_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


# -- those before -----------------------------------------------------------------------------


def set_aside(path: Path) -> Path | None:
    """Make room for another recording under a name that we gave.

    The last five that have steps are kept, in a folder ``.autograd_lens`` beside it, each named
    after the time when it began.

    Returns:
        Where the recording is now; None where there was none, or one without steps.

    Raises:
        TraceExistsError: What is there is no recording, or is being recorded.
        TraceError: It cannot be moved.
    """
    if not path.exists():
        return None
    _refuse_what_is_not_ours(path)
    recording = Recording.read(path)
    if recording.status == "running":
        msg = f"{str(path)!r} is being recorded by another run."
        raise TraceExistsError(msg, hint="Wait until that has ended, or choose another -o.")
    try:
        if not recording.steps and not recording.problem:
            _remove(path)
            return None
        return _move(path, recording.started)
    except OSError as error:
        msg = f"The recording {str(path)!r} cannot be set aside: {error.strerror or error}."
        raise TraceError(msg, hint="Choose another place with -o.") from error


def _refuse_what_is_not_ours(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            return
    msg = f"{str(path)!r} exists and is no recording."
    raise TraceExistsError(msg, hint="Add --force to overwrite it, or choose another -o.")


def _move(path: Path, started: float) -> Path:
    folder = path.parent / _ASIDE
    folder.mkdir(exist_ok=True)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    when = datetime.fromtimestamp(started, UTC).strftime("%Y%m%d-%H%M%S")
    target = next(free for free in _names(folder, path.stem, when) if not free.exists())
    _rename(path, target)
    pattern = re.compile(re.escape(path.stem) + r"-\d{8}-\d{6}(-\d+)?\.lens")
    mine = [each for each in folder.iterdir() if pattern.fullmatch(each.name)]
    mine.sort(key=lambda each: each.stem)
    for old in mine[:-_KEPT]:
        _remove(old)
    return target


def put_back(kept: Path, path: Path) -> None:
    """Give a recording that was set aside its name again; what has that name is removed."""
    _remove(path)
    _rename(kept, path)


def _rename(path: Path, target: Path) -> None:
    for end in _COMPANIONS:
        companion = path.with_name(path.name + end)
        if companion.exists():
            companion.rename(target.with_name(target.name + end))


def _names(folder: Path, stem: str, when: str) -> Iterator[Path]:
    """Names in the order of their age: the first of a second, then the others."""
    yield folder / f"{stem}-{when}.lens"
    for number in range(2, 1000):
        yield folder / f"{stem}-{when}-{number:03}.lens"


def _remove(path: Path) -> None:
    for end in _COMPANIONS:
        path.with_name(path.name + end).unlink(missing_ok=True)
