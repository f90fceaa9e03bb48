"""What is known of a run as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

__all__ = ["RunInfo", "RunStatus", "run_status"]

RunStatus = Literal["running", "finished", "exception", "interrupted", "killed"]

_STATUSES = frozenset({"running", "finished", "exception", "interrupted", "killed"})


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
        ended: Its end, seconds since 1970 in UTC; None while it runs or where it was killed.
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

    def to_json(self) -> bytes:
        """This record as a JSON object."""
        plain = asdict(self)
        plain["options"] = dict(self.options)
        return json.dumps(plain).encode()

    @classmethod
    def from_json_object(cls, plain: dict[str, Any]) -> RunInfo:
        """The record that ``to_json`` wrote, parsed.

        Raises:
            KeyError: A field is missing.
            ValueError: A field is wrong.
        """
        return cls(
            program=str(plain["program"]),
            argv=tuple(str(word) for word in plain["argv"]),
            cwd=str(plain["cwd"]),
            torch=str(plain["torch"]),
            python=str(plain["python"]),
            started=float(plain["started"]),
            ended=None if plain["ended"] is None else float(plain["ended"]),
            status=run_status(plain["status"]),
            threads=int(plain["threads"]),
            seed=None if plain["seed"] is None else int(plain["seed"]),
            lens=str(plain["lens"]),
            options={str(name): str(value) for name, value in plain["options"].items()},
        )


def run_status(word: object) -> RunStatus:
    """The word, where it is a status.

    Raises:
        ValueError: It is none.
    """
    if word not in _STATUSES:
        msg = f"{word!r} is no status of a run; one of {', '.join(sorted(_STATUSES))} is."
        raise ValueError(msg)
    return cast("RunStatus", word)
