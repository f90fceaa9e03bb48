"""A run's learning rates beside the largest stable one, in words."""

from __future__ import annotations

import math

from autograd_lens.analysis.rates import Rates
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.kept import Curvature

__all__ = ["rates_facts", "rates_sentence"]


def rates_facts(rates: Rates) -> dict[str, str]:
    """What is known, each by the word that it stands under: ``rate``, ``stable``, ``curvature``."""
    at = rates.curvature
    facts = {
        "rate": _used(rates),
        "stable": "" if at is None else _limit(at),
        "curvature": f"not known: {rates.missing}" if rates.missing else "",
    }
    if at is not None:
        facts["curvature"] = f"{_exact(at.largest)} at most, at step {at.step:,} with its batch"
    return {word: text for word, text in facts.items() if text}


def rates_sentence(rates: Rates) -> str:
    """All of it on one line; ``""`` where nobody measured the curvature."""
    at = rates.curvature
    if at is None:
        why = f"curvature not known: {rates.missing}" if rates.missing else ""
        return "; ".join(filter(None, [_used(rates), why])) if why else ""
    parts = [f"curvature {_exact(at.largest)} at most at step {at.step:,}", f"stable {_limit(at)}"]
    return "; ".join(filter(None, [_used(rates), *parts]))


def _used(rates: Rates) -> str:
    if not rates.used:
        return ""
    low, high = rates.used[0], rates.used[-1]
    shown = scalar(low) if low == high else f"{scalar(low)} to {scalar(high)}"
    return ", ".join([f"lr {shown}", *rates.optimizers])


def _limit(at: Curvature) -> str:
    if math.isinf(at.stable_rate):
        return "at any lr: the loss does not curve up"
    limit = f"{_exact(at.stable_rate)} = 2 / {_exact(at.largest)}"
    return f"up to lr {limit} in plain gradient descent"


def _exact(value: float) -> str:
    """Five digits, which tell a rate from its limit."""
    return scalar(value, 5)
