"""One recording of a fit, as the callbacks of trainers drive it.

NOTE 1 [Where a step begins]: trainers fetch a batch, and put it together, before they say that a
step begins. The step that reads the batch has to know where it comes from; so a step begins where
the one before has ended, and the last that was begun so is withdrawn.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from autograd_lens.api import record
from autograd_lens.doctor import Finding, examine
from autograd_lens.errors import RecordingError
from autograd_lens.trace.reader import Trace

if TYPE_CHECKING:
    import os

    from torch import nn

    from autograd_lens.capture import Recording

__all__ = ["Fit"]


class Fit:
    """Records the steps of a trainer, or some of them.

    A trainer tells nobody that it failed, or not everybody. Entered as a context manager, a fit
    ends with the block, and knows what ended it; else it ends with the program at the latest.

    Args:
        path: Where the trace is written.
        first: The trainer's step to begin with.
        count: How many steps to record; by default all that follow.
        quiet: Whether nothing is told at the end.
        **options: What ``lens.record`` takes: ``full``, ``force``, ``limits``, ``stop_on``,
            ``last``.

    Attributes:
        path: Where the trace is written.
        findings: What the doctor found, once the recording has ended.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        first: int = 0,
        count: int | None = None,
        quiet: bool = False,
        **options: Any,  # noqa: ANN401  as lens.record has them
    ) -> None:
        self.path = path
        self.findings: tuple[Finding, ...] = ()
        self._first = first
        self._count = count
        self._quiet = quiet
        self._options = options
        self._seen = 0  # steps of the trainer
        self._model: nn.Module | None = None
        self._recording: Recording | None = None
        self._ended = False
        self._turns: Iterator[int] = iter(())
        self._left_alone = contextlib.ExitStack()
        self._paused = False

    def begin(self, model: nn.Module | None = None) -> None:
        """The trainer begins, before it asks for the first batch.

        Args:
            model: What it trains; parameters have its names.
        """
        self._model = model
        if self._first == self._seen and self._recording is None:
            self._record()

    def turn(self) -> None:
        """A step of the trainer has ended: what follows belongs to the next one (NOTE 1)."""
        self._seen += 1
        if self._recording is not None and not self._ended:
            next(self._turns)
        elif self._seen == self._first:
            self._record()
        if self._count is not None and self._seen == self._first + self._count:
            self.end()

    def _record(self) -> None:
        self._recording = recording = record(self.path, **self._options).__enter__()
        self._turns = recording.steps(sys.maxsize, progress=False)
        model = self._model
        if model is not None:
            recording.watch(model)  # its name here is that of a Sequential's parameters
        atexit.register(self._end_with_program)
        next(self._turns)

    def pause(self) -> None:
        """What follows is no part of the training: validation, saving."""
        if self._recording is not None and not (self._ended or self._paused):
            self._left_alone.enter_context(self._recording.paused())
            self._paused = True

    def resume(self) -> None:
        """The training goes on."""
        self._left_alone.close()
        self._paused = False

    def end(self, error: BaseException | None = None) -> None:
        """The fit has ended; tell what was found.

        Args:
            error: What ended it, where it did not end by itself.
        """
        if self._recording is None or self._ended:
            return
        self._ended = True
        self.resume()
        atexit.unregister(self._end_with_program)
        if error is None:
            self._recording.withdraw_step()
        self._recording.__exit__(None if error is None else type(error), error, None)
        trouble = ""
        try:
            self.findings = examine(self._recording.trace, seconds=0)
        except Exception as failure:  # noqa: BLE001  the doctor is a guest in this program
            trouble = f"The doctor could not examine it: {type(failure).__name__}: {failure}"
        if not self._quiet:
            self._tell(self._recording, trouble)

    def _end_with_program(self) -> None:
        self._quiet = True
        self.end(getattr(sys, "last_value", None))

    def _tell(self, recording: Recording, trouble: str) -> None:
        from autograd_lens.render.findings import finding_line  # noqa: PLC0415  only to tell

        lines = [f"Recorded {len(recording.trace.steps):,} steps in {self.path}."]
        lines += [trouble] if trouble else map(finding_line, self.findings)
        verb = "doctor" if self.findings else "trace"
        lines.append(f"Next: autograd-lens {verb} {self.path}")
        sys.stderr.write("".join(f"{line}\n" for line in lines))

    @property
    def trace(self) -> Trace:
        """What was recorded.

        Raises:
            RecordingError: The fit has not begun, or has not ended.
        """
        if self._recording is None:
            msg = "Nothing was recorded: the trainer has not come to a step that was chosen."
            raise RecordingError(msg, hint="Give the callback to the trainer, and let it fit.")
        return self._recording.trace

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)
