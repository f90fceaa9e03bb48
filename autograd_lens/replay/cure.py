"""A stretch of a run gone again, with one thing at a time done otherwise.

What is said of a treatment was executed: the recorded tapes, from a recorded step on, whose own
updates are proved first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autograd_lens.errors import LensError
from autograd_lens.replay.donors import Donor
from autograd_lens.replay.execute import Situation
from autograd_lens.replay.precise import in_float64
from autograd_lens.replay.replayer import Replayer, recorded_threads
from autograd_lens.replay.whatif import descend, prove
from autograd_lens.trace.outcomes import Cure, Treatment, Trial
from autograd_lens.trace.reader import Trace

__all__ = ["cure"]

_MOST = 1 << 28  # bytes
_NOTHING = Treatment("as recorded")


def cure(
    trace: Trace,
    step: int,
    stretch: range,
    treatments: Sequence[Treatment],
    on_way: Callable[[str], None] | None = None,
) -> Cure:
    """Try what keeps a run finite and its loss falling.

    Args:
        trace: The recording; its light steps have to open.
        step: The step that went wrong.
        stretch: The steps that each trial makes; those behind the recording's last one read its
            batch.
        treatments: What to try, one by one.
        on_way: Called with what is tried, and with ``""`` at the end.

    Raises:
        ReplayError: The recorded updates cannot be proved.
    """
    tell = on_way or _silent
    first, steps = stretch.start, len(stretch)
    last = min(stretch.stop, len(trace.steps))
    tell("the recorded steps")
    proof = prove(trace, range(first, last))
    trials, replayer = [], _Remembering(trace)
    for one in (_NOTHING, *treatments):
        tell(one.name)
        trials.append(_tried(trace, stretch, one, replayer))
    tell("float64")
    found = Cure(
        step=step,
        first=first,
        steps=steps,
        recorded=trace.losses[first:last],
        proof=proof,
        trials=tuple(trials),
        precise=_precise(trace, step),
    )
    tell("")
    return found


def _silent(what: str) -> None:
    """Tell nobody of progress."""


class _Remembering(Replayer):
    """Keeps what steps were proved to have found, as far as there is room: every trial asks."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self._known: dict[int, tuple[Donor, Situation]] = {}
        self._room = _MOST

    def found(self, step: int) -> tuple[Donor, Situation]:
        """Which tape a step ran, and what it found when it began."""
        if step not in self._known:
            donor, situation = super().found(step)
            there = (*situation.found.values(), *situation.grads.values())
            self._room -= sum(tensor.nbytes for tensor in there)
            if self._room < 0:
                return donor, situation
            self._known[step] = donor, situation
        return self._known[step]


def _tried(trace: Trace, stretch: range, one: Treatment, replayer: Replayer) -> Trial:
    made = np.array([step not in one.care.without for step in stretch])
    try:
        done = descend(trace, stretch, one.changes, one.care, replayer)
    except LensError as error:
        reason = str(error.args[0])
        return Trial(one.name, np.empty(0), made[:0], finite=False, missing=reason)
    ends = all(np.isfinite(values[-1]).all() for values in done.values.values())
    finite = bool(np.isfinite(done.losses[made]).all()) and ends
    return Trial(one.name, done.losses, made, finite)


def _precise(trace: Trace, step: int) -> float | None:
    try:
        with recorded_threads(trace):
            return float(in_float64(trace.steps[step]).loss.sum())
    except LensError:
        return None
