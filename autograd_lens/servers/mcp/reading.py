"""Recordings that an assistant may read: those below one folder, opened for one answer each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from autograd_lens.api import Trace, replaying
from autograd_lens.errors import TraceError
from autograd_lens.servers.mcp.records import Known
from autograd_lens.trace.recordings import latest
from autograd_lens.trace.records import Step
from autograd_lens.trace.schema import visible

__all__ = ["Executed", "Folder", "Opened"]

Replayer = Callable[[int], Step | None]

_FEW = 6  # steps that are named


@dataclass
class Executed:
    """Which light steps were executed again for an answer.

    Attributes:
        steps: What came of each, by its number.
    """

    steps: dict[int, Step] = field(default_factory=dict)

    def noting(self, replayer: Replayer | None) -> Replayer:
        """A replayer that notes what came of each step."""

        def replay(number: int) -> Step | None:
            step = replayer(number) if replayer is not None else None
            if step is not None:
                self.steps[number] = step
            return step

        return replay

    def known(self, what: str = "Read from the recording.") -> Known:
        """How an answer is known.

        Args:
            what: What it is without any execution.
        """
        by: dict[str, list[int]] = {}
        for number, step in sorted(self.steps.items()):
            by.setdefault(step.provenance, []).append(number)
        if "differs" in by:
            words = f"Executed again, {_listed(by['differs'])} did not give what was recorded."
            return Known("differs", words)
        if "proved" not in by:
            return Known("recorded", " ".join([what, *self._refused()]))
        steps = _listed(by["proved"])
        words = (
            f"{steps[:1].upper()}{steps[1:]} executed again to be opened in full, and gave the "
            "recorded loss and gradients bit for bit."
        )
        return Known("proved", " ".join([words, *self._refused()]))

    def _refused(self) -> list[str]:
        """Why a step stayed light."""
        light = [step for step in self.steps.values() if step.level == "light" and step.omitted]
        return [
            f"Of step {step.index} only loss, parameters and grads are there. {step.omitted[-1]}"
            for step in light[:1]
        ]


def _listed(steps: list[int]) -> str:
    few = ", ".join(map(str, steps[:_FEW])) + (", ..." if len(steps) > _FEW else "")
    return f"step {few} was" if len(steps) == 1 else f"steps {few} were"


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording that is open.

    Attributes:
        trace: The recording; its light steps open in full.
        executed: Those of them that were.
        name: What to call it: its path from the folder.
    """

    trace: Trace
    executed: Executed
    name: str


class Folder:
    """The folder whose recordings may be read, one answer after the other.

    Args:
        path: The folder.

    Raises:
        TraceError: There is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._one_at_a_time = Lock()
        if not self.path.is_dir():
            msg = f"There is no folder {visible(str(path))!r}."
            raise TraceError(msg, hint="Name the folder that holds the recordings.")

    @contextmanager
    def answering(self) -> Iterator[None]:
        """One answer at a time: what executes tapes shares torch's threads and generators."""
        with self._one_at_a_time:
            yield

    @contextmanager
    def open(self, name: str, *, replay: bool = True, whole: bool = True) -> Iterator[Opened]:
        """Open a recording, and close it again.

        Args:
            name: Path from the folder, or in full; ``""`` for the folder's latest.
            replay: Whether light steps are opened in full when they are looked at.
            whole: Whether large values of full steps are made again when they are looked at.

        Raises:
            LensError: There is none, it lies elsewhere, or it is none.
        """
        executed = Executed()
        with Trace(self._inside(name)) as trace:
            if replay:
                replaying(trace, whole=whole)
                trace.replayer = executed.noting(trace.replayer)
            yield Opened(trace, executed, self.shown(trace.path))

    def shown(self, path: Path) -> str:
        """A path as it is written from the folder."""
        inside = path.relative_to(self.path) if path.is_relative_to(self.path) else path
        return visible(str(inside))

    def _inside(self, name: str) -> Path:
        """The file, links followed.

        Raises:
            LensError: It lies outside of the folder, or has an impossible name.
        """
        asked = Path(name) if name else latest(self.path)
        try:
            path = (self.path / asked).resolve()
            there = path.exists()
        except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a NUL
            msg = (
                f"{name[:80]!r} is no name of a file: {getattr(error, 'strerror', None) or error}."
            )
            raise TraceError(msg, hint=self._there()) from error
        if not path.is_relative_to(self.path):
            msg = f"{str(asked)!r} lies outside of {str(self.path)!r}, which is served."
            raise TraceError(msg, hint="Start the server with: autograd-lens mcp FOLDER")
        if not there:
            msg = f"There is no file {name!r}."
            raise TraceError(msg, hint=self._there())
        return path

    def _there(self) -> str:
        names = sorted(path.name for path in self.path.glob("*.lens"))
        if not names:
            return "The folder holds no recording; autograd-lens run train.py makes one."
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        return f"Recordings there: {visible(', '.join(names[:_FEW]))}{more}."
