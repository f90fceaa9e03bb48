"""What other learning rates would have done, for the handout of any run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lens.errors import LensError

if TYPE_CHECKING:
    from autograd_lens.analysis.lesson import TriedRate
    from autograd_lens.trace.reader import Trace

__all__ = ["tried_rates"]

_STEPS = 20  # enough to tell slow from wild, and made in seconds
_FACTORS = (0.1, 10.0)


def tried_rates(trace: Trace) -> tuple[TriedRate, ...]:
    """The first steps again with other learning rates, the run's own among them.

    Returns:
        Nothing where the run has no single learning rate, or where its updates are not proved
        to be those of its tape.
    """
    rate = _rate(trace)
    if rate is None:
        return ()
    try:
        return tuple(_tried(trace, rate))
    except (LensError, RuntimeError):
        return ()


def _rate(trace: Trace) -> float | None:
    """The learning rate that all optimizers of the run have, or None."""
    stored = trace.extra("optimizers")
    rates = {one["attributes"].get("lr") for one in json.loads(stored)} if stored else set()
    (rate,) = rates if len(rates) == 1 else (None,)
    return float(rate) if isinstance(rate, int | float) and rate > 0 else None


def _tried(trace: Trace, rate: float) -> Iterator[TriedRate]:
    from autograd_lens.analysis.lesson import TriedRate
    from autograd_lens.replay.whatif import what_if

    steps = min(_STEPS, len(trace.steps))
    yield TriedRate(rate, steps, float(trace.losses[steps - 1]), own=True)
    for other in (float(f"{rate * factor:.6g}") for factor in _FACTORS):
        made = what_if(trace, 0, steps, {"lr": other})
        yield TriedRate(other, steps, float(made.changed.losses[-1]))
