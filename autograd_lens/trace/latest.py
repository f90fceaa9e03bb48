"""Which recording is the latest, so that reading commands can do without its name."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from autograd_lens.errors import TraceError

__all__ = ["latest", "remember", "state_folder"]

_POINTER = "latest"


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


def latest() -> Path:
    """The trace that was remembered last.

    Raises:
        TraceError: There is none, or it is gone.
    """
    pointer = state_folder() / _POINTER
    try:
        path = Path(pointer.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n"))
    except OSError:
        msg = "Nothing was recorded yet."
        hint = "Record a program with autograd-lens run train.py, or name a trace."
        raise TraceError(msg, hint=hint) from None
    if not path.is_file():
        msg = f"The latest recording was {path}, which is gone."
        raise TraceError(msg, hint="Name the trace to read, or record again.")
    return path


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
