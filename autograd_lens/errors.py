"""Every error this package raises on purpose.

::

    LensError
    ├── TraceError            a trace file cannot be used
    │   ├── NotATraceError        the file is something else, or damaged
    │   ├── NewerFormatError      written by a newer autograd_lens
    │   └── TraceExistsError      refusing to overwrite
    ├── RecordingError        a recording was asked for something it cannot do
    ├── NotRecordedError      the trace does not hold what was asked for
    │   ├── NoSuchStepError
    │   └── NoSuchParameterError
    ├── ReplayError           a recorded tape cannot be executed again
    │   └── OtherKernelsError     PyTorch came to other kernels than it did then
    ├── RenderError           a picture cannot be drawn
    └── SelectionError        a step, axis or condition could not be understood
        └── ConditionError        a condition, with the place in it

    KeyboardInterrupt
    └── StopConditionMet      ends a program that was asked to stop on a condition; no error

Each message says what was wrong, what was given, and what to do next.
"""

from __future__ import annotations

__all__ = [
    "ConditionError",
    "LensError",
    "NewerFormatError",
    "NoSuchParameterError",
    "NoSuchStepError",
    "NotATraceError",
    "NotRecordedError",
    "OtherKernelsError",
    "RecordingError",
    "RenderError",
    "ReplayError",
    "SelectionError",
    "StopConditionMet",
    "TraceError",
    "TraceExistsError",
]


class LensError(Exception):
    """Base of all errors raised by autograd_lens.

    Attributes:
        hint: What to do next, one sentence; empty where the message says it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = Exception.__str__(self)  # KeyError, a base of one of these, would quote it
        return f"{message} {self.hint}" if self.hint else message


class TraceError(LensError):
    """A trace file cannot be used."""


class NotATraceError(TraceError):
    """The file is not a trace, or is damaged."""


class NewerFormatError(TraceError):
    """The trace was written by a newer version of this package."""


class TraceExistsError(TraceError):
    """Writing would overwrite a file."""


class RecordingError(LensError):
    """A recording was asked for something it cannot do."""


class NotRecordedError(LensError):
    """The trace does not hold what was asked for."""


class NoSuchStepError(NotRecordedError, IndexError):
    """The step is not in the trace."""


class NoSuchParameterError(NotRecordedError, KeyError):
    """The parameter is not in the trace."""


class ReplayError(LensError):
    """A recorded tape cannot be executed again."""


class OtherKernelsError(ReplayError):
    """Executing a tape came to other kernels than were recorded."""


class RenderError(LensError):
    """A picture cannot be drawn."""


class SelectionError(LensError, ValueError):
    """A step, axis or condition could not be understood."""


class ConditionError(SelectionError):
    """A condition could not be understood.

    Attributes:
        position: Which character of the condition is to blame, from 0.
    """

    def __init__(self, message: str, position: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.position = position


class StopConditionMet(KeyboardInterrupt):
    """A step met what the recording was asked to stop on; raised once, where its backward ended.

    It passes ``except Exception`` as Ctrl-C does, and ``finally`` blocks run. The step's update
    has not been made: parameters and optimizer are as the step found them.

    Attributes:
        step: The step.
        reason: What it met, in words.
        kept: Whether it was kept whole; there may have been no room for it.
    """

    def __init__(self, step: int, reason: str, *, kept: bool = True) -> None:
        whole = "It is kept whole" if kept else "There was no room to keep it whole (--max-size)"
        super().__init__(f"Stopped at step {step}: {reason}. {whole}.")
        self.step = step
        self.reason = reason
        self.kept = kept
