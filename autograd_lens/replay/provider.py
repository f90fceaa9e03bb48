"""Light steps opened in full whenever somebody looks at them."""

from __future__ import annotations

from dataclasses import replace

from autograd_lens.errors import ReplayError
from autograd_lens.replay.attempts import OnWay
from autograd_lens.replay.step import Replayer
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step

__all__ = ["Provider"]


class Provider:
    """What ``Trace.replayer`` calls.

    Args:
        trace: The trace.
        on_way: Called with each step that is replayed; see ``Attempts``.
    """

    def __init__(self, trace: Trace, on_way: OnWay | None = None) -> None:
        self._trace = trace
        self._replayer = Replayer(trace, on_way)

    def __call__(self, step: int) -> Step:
        """The step in full; where it cannot be replayed, the light step, which says why."""
        try:
            return self._replayer.step(step).step
        except ReplayError as error:
            light = self._trace.light(step)
            return replace(light, omitted=(*light.omitted, str(error)))
