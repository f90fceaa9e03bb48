"""Traces for programs and notebooks: the recorded data, with its figures at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from autograd_lens.trace.reader import Trace as RecordedTrace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from autograd_lens.trace.records import Step

__all__ = ["Trace", "open", "replaying"]


class Trace(RecordedTrace):
    """An open trace that draws itself; see ``autograd_lens.trace.reader.Trace`` for the rest."""

    def plot_path(self, axes: str | None = None) -> Figure:
        """Draw the descent path on the loss surface."""
        raise NotImplementedError


def open(path: str | os.PathLike[str]) -> Trace:  # noqa: A001  read as lens.open
    """Open a recorded run for reading.

    Args:
        path: The file; it may still be recorded into.

    Raises:
        TraceError: There is no such file, or it is not a trace.
    """
    return replaying(Trace(path))


def replaying(trace: Trace) -> Trace:
    """Let a trace open its light steps in full, by executing them again.

    Torch is imported when the first of them is asked for.
    """
    provider: Callable[[int], Step] | None = None

    def replay(step: int) -> Step:
        nonlocal provider
        if provider is None:
            from autograd_lens.replay.provider import Provider

            provider = Provider(trace)
        return provider(step)

    trace.replayer = replay
    return trace
