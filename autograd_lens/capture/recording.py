"""``lens.record``: recording a program that is ours to change."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

import autograd_lens
from autograd_lens.capture.exits import close_trace, closed_by_exit, failure
from autograd_lens.capture.recorder import Limits, Recorder
from autograd_lens.capture.schedule import parse_schedule
from autograd_lens.capture.signals import closed_by_signals
from autograd_lens.capture.stopping import StopOn
from autograd_lens.capture.watching import Watch
from autograd_lens.errors import RecordingError
from autograd_lens.live.reading import bytes_at
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.recordings import remember
from autograd_lens.trace.writer import TraceWriter

__all__ = ["Recording", "random_state", "record", "run_info"]

_KERNEL = "ipykernel_launcher.py"  # what runs a notebook's cells


def record(
    path: str | os.PathLike[str],
    *,
    full: str = "default",
    force: bool = False,
    limits: Limits | None = None,
    stop: StopOn | None = None,
) -> Recording:
    """Record what happens inside a ``with`` block.

    Args:
        path: Where the trace is written, by custom ``*.lens``.
        full: Which steps are recorded in full; see ``parse_schedule``.
        force: Whether to replace an existing file.
        limits: How much is kept of large values.
        stop: What ends the program.

    Returns:
        A context manager; inside it offers ``watch`` and ``steps``, and after it the
        recorded run (``run.trace``, ``run.parameter("w1")``, ...).

    Raises:
        SelectionError: ``full`` is no choice of steps.
        TraceExistsError: The file exists and ``force`` is false (on entering).
    """
    parse_schedule(full)
    return Recording(Path(path), full, limits or Limits(), force=force, stop=stop)


class Recording:
    """One recording; made by ``record``.

    Attributes:
        path: Where the trace is written.
    """

    def __init__(
        self, path: Path, full: str, limits: Limits, *, force: bool, stop: StopOn | None = None
    ) -> None:
        self.path = path
        self._stop = stop
        self._full = full
        self._force = force
        self._limits = limits
        self._recorder: Recorder | None = None
        self._writer: TraceWriter | None = None
        self._watch: Watch | None = None
        self._trace: Trace | None = None
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._writer is not None:
            msg = "This recording was already used."
            raise RecordingError(msg, hint="Make a new one with lens.record(...).")
        info = run_info(*_command(), self._full)
        self._writer = TraceWriter.create(
            self.path,
            info,
            force=self._force,
            size=self._limits.size,
            last=self._limits.last,
        )
        self._writer.on_failure = warn_of_lost_trace
        close = functools.partial(self._writer.close, "killed")
        self._ends.enter_context(closed_by_signals(close))
        self._writer.extra("random_state", random_state())
        self._recorder = Recorder(
            self._writer, parse_schedule(self._full), self._limits, self._stop
        )
        self._ends.enter_context(closed_by_exit(self._recorder, self._writer))
        self._watch = Watch(self._recorder)
        self._recorder.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        recorder, writer, watch = self._active()
        recorder.stop(failure(error))
        watch.restore()
        close_trace(recorder, writer, error)
        self._ends.close()
        remember(self.path)
        self._recorder = None

    def watch(self, *objects: Any) -> Any:
        """Follow models, loss functions and optimizers by name.

        Args:
            *objects: ``nn.Module`` instances, loss functions, and optimizers: of
                ``torch.optim`` or any object with a ``step`` method.

        Returns:
            The same objects in the same order (one object by itself, several as a tuple).
            Models and optimizers are the ones given, instrumented until the recording
            ends; a loss function comes back in a wrapper that behaves as it does.

        Raises:
            RecordingError: Called outside the ``with`` block, or with something that is
                neither model, loss function nor optimizer.
        """
        _, _, watch = self._active()
        names = sys._getframe(1)
        watched = tuple(watch.add(item, names) for item in objects)
        return watched[0] if len(watched) == 1 else watched

    def steps(self, count: int, *, progress: bool | None = None) -> Iterator[int]:
        """Mark steps: each turn of the loop is one.

        Args:
            count: Number of steps.
            progress: Whether to show a progress bar; by default where stderr is a terminal.

        Yields:
            The step's index, from 0.
        """
        recorder, _, _ = self._active()
        shown = sys.stderr.isatty() if progress is None else progress
        with progress_bar(count) if shown else contextlib.nullcontext(_silent) as advance:
            for step in range(count):
                recorder.mark_step(step)
                yield step
                advance()

    def withdraw_step(self) -> None:
        """The step that ``steps`` gave last does not come, where it has not called backward yet.

        A trainer tells when a step has ended, and only then whether another one begins.
        """
        recorder, _, _ = self._active()
        recorder.steps.withdraw()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave alone what happens inside: validation, sampling, saving.

        Its kernels and backward calls are not recorded. What it does to parameters and to
        ``.grad`` shows at the next step.
        """
        recorder, _, _ = self._active()
        recorder.pause()
        try:
            yield
        finally:
            recorder.resume()

    @property
    def trace(self) -> Trace:
        """The recorded run.

        Raises:
            RecordingError: The recording has not ended.
        """
        if self._trace is None:
            if self._writer is None or self._recorder is not None:
                msg = "The recording has not ended."
                raise RecordingError(msg, hint="Leave the with block first.")
            self._trace = autograd_lens.open(self.path)
        return self._trace

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.trace, name)

    def _active(self) -> tuple[Recorder, TraceWriter, Watch]:
        if self._recorder is None or self._writer is None or self._watch is None:
            msg = "The recording is not running."
            raise RecordingError(msg, hint="Use it inside: with lens.record(...) as run: ...")
        return self._recorder, self._writer, self._watch


def _silent() -> None:
    return None


@contextlib.contextmanager
def progress_bar(count: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr that is redrawn ten times a second, however fast the steps are."""
    from rich.console import Console  # noqa: PLC0415  only where a bar is shown
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield functools.partial(bar.advance, bar.add_task("training", total=count))


def _command() -> tuple[str, list[str]]:
    """The script of this process and its arguments; of a notebook, none: they are its kernel's."""
    name, *arguments = sys.argv or [""]
    return ("", []) if Path(name).name == _KERNEL else (name, arguments)


def run_info(program: str, argv: list[str], full: str, *, module: str = "") -> RunInfo:
    """What is known of a run at its start."""
    return RunInfo(
        program=program,
        argv=tuple(argv),
        cwd=str(Path.cwd()),
        torch=torch.__version__,
        python=platform.python_version(),
        started=time.time(),
        threads=torch.get_num_threads(),
        seed=torch.initial_seed(),
        lens=autograd_lens.__version__,
        options={"full": full, "module": module},
    )


def random_state() -> bytes:
    """The random states at the start, as JSON; reading them draws nothing.

    Returns:
        ``{"torch": hex, "python": [...], "numpy": [...]}``: torch's CPU generator as raw bytes,
        ``random.getstate()``, and ``numpy.random.get_state()`` without its array type.
    """
    state = torch.default_generator.get_state()
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002  the generator that programs share
    return json.dumps(
        {
            "torch": bytes_at(state.data_ptr(), state.nbytes).hex(),
            "python": random.getstate(),
            "numpy": [kind, np.asarray(keys).tolist(), *rest],
        }
    ).encode()


def warn_of_lost_trace(message: str) -> None:
    """Tell once, on stderr, that the trace can no longer be written."""
    sys.stderr.write(
        f"autograd-lens: the trace can no longer be written ({message}); the program goes on, "
        "and steps from here on are missing from the trace.\n"
    )
