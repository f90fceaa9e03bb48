"""A stretch of a run gone again, with one thing at a time done otherwise.

What is said of a treatment was executed: the recorded tapes, from a recorded step on, whose own
updates are proved first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autograd_lens.errors import LensError
from autograd_lens.replay.precise import in_float64
from autograd_lens.replay.replayer import recorded_threads
from autograd_lens.replay.whatif import prove, what_if
from autograd_lens.trace.outcomes import Care, Cure, Treatment, Trial
from autograd_lens.trace.reader import Trace

__all__ = ["cure"]

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
    trials = []
    for one in (_NOTHING, *treatments):
        tell(one.name)
        trials.append(_tried(trace, first, steps, one, proof))
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


def _tried(trace: Trace, first: int, steps: int, one: Treatment, proof: str) -> Trial:
    care = Care(one.care.clip, one.care.without, proof)
    made = np.array([first + at not in one.care.without for at in range(steps)])
    try:
        done = what_if(trace, first, steps, one.changes, care).changed
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
