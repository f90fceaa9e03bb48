"""What may keep a run finite: what to try, from where on, by what the recording shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from autograd_lens.analysis.comparison import settings_in
from autograd_lens.analysis.rates import find_rates
from autograd_lens.doctor.chain import chain_behind, gradient_norms
from autograd_lens.doctor.finding import number
from autograd_lens.trace.outcomes import Care, Treatment
from autograd_lens.trace.reader import Trace

__all__ = ["beginning", "first_bad_step", "treatments"]

_FARTHEST = 200  # steps back
_USUAL = 10  # where nothing tells how far
_EPSILONS = 1e4  # times the recorded one, which is 1e-8 most of the time
_BEFORE = 20  # steps, whose gradients say what norm is usual


def first_bad_step(trace: Trace) -> int | None:
    """The first step whose loss is no finite number."""
    bad = np.flatnonzero(~np.isfinite(trace.losses))
    return int(bad[0]) if bad.size else None


def beginning(trace: Trace, step: int) -> int:
    """The step to begin with: where the chain behind a bad step begins, if that is not too far."""
    links = [link.step for link in chain_behind(trace, step) if step - link.step <= _FARTHEST]
    return max(0, min([*links, step - _USUAL]))


def treatments(trace: Trace, step: int, first: int) -> tuple[Treatment, ...]:
    """What to try, each alone.

    Args:
        trace: The recording.
        step: The step that went wrong.
        first: The step at which each trial begins.
    """
    settings = settings_in(trace, first).values()
    rates = find_rates(trace).at(first)
    epsilons = sorted({float(str(one["eps"])) for one in settings if "eps" in one})
    found = [*_rates(rates), *_clipping(trace, first)]
    without = frozenset({step - 1, step} - {first, first - 1})
    if without:
        name = f"without the batch of {'steps' if len(without) > 1 else 'step'}"
        told = " and ".join(map(str, sorted(without)))
        found.append(Treatment(f"{name} {told}", care=Care(without=without)))
    if len(epsilons) == 1 and epsilons[0]:
        wider = epsilons[0] * _EPSILONS
        found.append(Treatment(f"eps {wider:g} instead of {epsilons[0]:g}", {"eps": wider}))
    return tuple(found)


def _rates(rates: Sequence[float]) -> Iterator[Treatment]:
    rate = rates[-1] if rates else math.nan
    for share, word in ((2, "half"), (10, "a tenth")):
        name = f"{word} of the learning rate"
        name = f"{name}: {rate / share:.4g}" if rates else name
        yield Treatment(name, {"lr": rate / share if rates else 1.0})


def _clipping(trace: Trace, first: int) -> Iterator[Treatment]:
    """Clipping at the norm that gradients had before."""
    norms = gradient_norms(trace, first)[-_BEFORE:]
    usual = float(np.median(norms)) if norms.size and norms.any() else 1.0
    yield Treatment(f"gradients clipped to norm {number(usual)}", care=Care(clip=usual))
