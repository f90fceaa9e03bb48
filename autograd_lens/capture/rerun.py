"""Running a recorded script again, to record more of its steps in full.

The script is executed with its recorded arguments, working directory, random states and number
of threads. Every light step on the way is compared with the recording, bit for bit; at the
first difference the run is stopped, because what follows would not be what was recorded.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from autograd_lens.capture.checking import CheckingWriter, Departure, Difference, Enough
from autograd_lens.capture.recorder import Limits, Recorder
from autograd_lens.capture.schedule import parse_schedule
from autograd_lens.capture.script import as_main, execute, load_program, report
from autograd_lens.errors import RecordingError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.store import parsing
from autograd_lens.trace.writer import TraceWriter

__all__ = ["RerunResult", "rerun"]

_MOST_THREADS = 256  # that a file can ask for


@dataclass(frozen=True, slots=True)
class RerunResult:
    """How a run compared with its recording.

    Attributes:
        checked: Backwards that were compared, and equal.
        written: Steps that were added to the file in full.
        difference: The first difference, or None.
    """

    checked: int
    written: tuple[int, ...]
    difference: Difference | None


def rerun(path: Path, steps: Sequence[int], *, limits: Limits | None = None) -> RerunResult:
    """Run the script of a recording again, and add steps in full to the file.

    Args:
        path: The recording.
        steps: Steps to record in full, from 0; those that are full already are left alone.
        limits: How much is kept of large values.

    Raises:
        RecordingError: The recording was not made of a script, the script is gone, or it
            raised before the steps were reached.
        SelectionError: No steps were given.
    """
    with Trace(path) as trace:
        wanted = sorted(set(steps) - set(trace.full_steps))
        if not wanted:
            return RerunResult(0, (), None)
        schedule = parse_schedule(",".join(map(str, wanted)))
        module = trace.info.options.get("module", "")
        target = TraceWriter.reopen(path)
        try:
            with _world_of(trace):
                program = load_program(module or trace.info.program, module=bool(module))
                checking = CheckingWriter(trace, target, wanted)
                with as_main(program, trace.info.argv) as main:
                    _restore_random_state(trace)
                    recorder = Recorder(checking, schedule, limits or Limits())
                    error = execute(program, main, recorder)
                    _judge(error, checking, wanted)
        finally:
            target.close(trace.info.status)
    return RerunResult(checking.checked, tuple(checking.written), checking.difference)


def _judge(error: BaseException | None, checking: CheckingWriter, wanted: list[int]) -> None:
    """An exception of the script is an error of ours where it kept a step from being reached."""
    if error is None or isinstance(error, (Departure, Enough)):
        return
    if checking.written and checking.written[-1] == wanted[-1]:
        return
    report(error)
    msg = f"The script ended with {type(error).__name__} before step {wanted[-1]}."
    raise RecordingError(msg, hint="Make it run as it did when it was recorded.")


@contextlib.contextmanager
def _world_of(trace: Trace) -> Iterator[None]:
    """The working directory and the threads of the recorded run."""
    threads, folder = torch.get_num_threads(), Path.cwd()
    try:
        os.chdir(trace.info.cwd)
    except OSError as error:
        msg = f"The working directory {trace.info.cwd!r} of the recording is gone."
        raise RecordingError(msg, hint="Put the script back where it ran.") from error
    if 0 < trace.info.threads <= _MOST_THREADS:
        torch.set_num_threads(trace.info.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        os.chdir(folder)


def _restore_random_state(trace: Trace) -> None:
    """Set the random states that the recording began with."""
    stored = trace.extra("random_state")
    if stored is None:
        return
    with parsing("the random states"):
        state = json.loads(stored)
        raw = np.frombuffer(bytes.fromhex(state["torch"]), np.uint8)
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, np.array(keys, np.uint32), *rest))  # noqa: NPY002  the shared one
        if raw.size != torch.default_generator.get_state().numel():
            damaged("a random state has another size")
        torch.default_generator.set_state(torch.from_numpy(raw.copy()))
