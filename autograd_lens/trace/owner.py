"""Which process writes a trace, and whether it still lives."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["describe_owner", "owner_lives"]

_QUIET = 10.0  # seconds without a heartbeat after which a writer elsewhere counts as dead


def describe_owner() -> dict[str, Any]:
    """This process, so that others can recognise it later."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "birth": _birth(pid)}


def owner_lives(owner: dict[str, Any], heartbeat: float) -> bool:
    """Whether the process still lives that ``describe_owner`` described.

    Args:
        owner: What it returned there.
        heartbeat: When the writer last wrote, in seconds since 1970.
    """
    if owner.get("host") == socket.gethostname() and sys.platform != "win32":
        return _process_lives(owner.get("pid"), owner.get("birth"))
    return abs(time.time() - heartbeat) < _QUIET


def _process_lives(pid: object, birth: object) -> bool:
    if not isinstance(pid, int) or not 0 < pid < 1 << 31:
        return False
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return birth == _birth(pid)


def _birth(pid: int) -> str:
    """When a process began, in Linux's own clock; ``""`` elsewhere. Tells apart reused pids."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    # A zombie was killed and only waits for its parent to notice.
    return "" if state == "Z" else fields[18]
