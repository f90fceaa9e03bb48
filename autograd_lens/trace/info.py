"""What is known of a run as a whole: its program, how it ended, which process records it."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Ending", "Owner", "RunInfo", "RunStatus"]

RunStatus = Literal["running", "finished", "exception", "interrupted", "stopped", "killed"]

_QUIET = 10.0  # seconds without a heartbeat after which a writer elsewhere counts as dead


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which program was recorded, where, and how it ended.

    Attributes:
        program: Path of the script, or ``""`` for an interactive session.
        argv: The program's arguments, without its own name.
        cwd: Working directory at the start.
        torch: Version of torch, or ``""``.
        python: Version of Python.
        started: Start of the recording, seconds since 1970 in UTC.
        ended: Its end, seconds since 1970 in UTC; None while it runs, or where it was killed
            before anybody could write that down.
        status: ``"running"`` while the program runs, else how it ended.
        threads: Intra-op threads of torch; 0 where unknown.
        seed: torch's seed at the start, or None.
        lens: Version of this package that recorded.
        options: Options of the recording, by name.
    """

    program: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    torch: str = ""
    python: str = ""
    started: float = 0.0
    ended: float | None = None
    status: RunStatus = "running"
    threads: int = 0
    seed: int | None = None
    lens: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        status: In the words of ``RunInfo.status``.
        ended: When, in seconds since 1970 in UTC.
    """

    status: RunStatus
    ended: float


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that writes a trace, so that others can tell whether it still lives.

    Attributes:
        host: Name of its computer.
        pid: Its number there.
        birth: When it began, in Linux's own clock; ``""`` elsewhere. Tells apart reused numbers.
    """

    host: str
    pid: int
    birth: str

    @classmethod
    def this_process(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _birth(pid))

    def lives(self, heartbeat: float) -> bool:
        """Whether it still lives.

        Args:
            heartbeat: When it last wrote, in seconds since 1970.
        """
        if self.host == socket.gethostname() and sys.platform != "win32":
            return self._lives_here()
        return abs(time.time() - heartbeat) < _QUIET

    def _lives_here(self) -> bool:
        if not 0 < self.pid < 1 << 31:
            return False
        try:
            os.kill(self.pid, 0)  # signal 0 only asks
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.birth == _birth(self.pid)


def _birth(pid: int) -> str:
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    # A zombie was killed and only waits for its parent to notice.
    return "" if state == "Z" else fields[18]
