"""A run's learning rates beside the largest stable one, in words."""

from __future__ import annotations

import math

from autograd_lens.analysis.rates import RateGroup, Rates
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.kept import Curvature

__all__ = ["course_text", "rates_facts", "rates_sentence"]

_FEW = 3  # parameters of a group that are named, and groups on one line
_GROUPS = 8  # that are listed


def rates_facts(rates: Rates) -> list[tuple[str, str]]:
    """What is known, each with the word that it stands under: ``rate``, ``stable``, ``curvature``.

    Each group of parameters that has a rate of its own is a fact.
    """
    at, used = rates.curvature, _used(rates, named=len(rates.groups) > 1)
    facts = [("rate" if not place else "", text) for place, text in enumerate(used[:_GROUPS])]
    if len(used) > _GROUPS:
        facts.append(("", f"and {len(used) - _GROUPS} more groups"))
    if at is not None:
        exact = f"{_exact(at.largest)} at most, at step {at.step:,} with its batch"
        facts += [("stable", _limit(at)), ("curvature", exact)]
    elif rates.missing:
        facts.append(("curvature", f"not known: {rates.missing}"))
    return facts


def rates_sentence(rates: Rates) -> str:
    """All of it on one line."""
    at = rates.curvature
    parts = _used(rates, named=False)
    if len(parts) > 1:
        parts = [_together(rates)]
    if at is not None:
        parts.append(f"curvature {_exact(at.largest)} at most at step {at.step:,}")
        parts.append(f"stable {_limit(at)}")
    elif rates.missing:
        parts.append("curvature not known: `info --curvature` says why")
    return "; ".join(parts)


def course_text(course: tuple[float, ...]) -> str:
    """A number, or how it went: ``0 .. 0.1 .. 0.001``."""
    return " .. ".join(map(scalar, course))


def _used(rates: Rates, *, named: bool) -> list[str]:
    """The rates of each group, those that are alike once."""
    texts = (_group(group, named=named) for group in rates.groups)
    return [*dict.fromkeys(texts)]


def _together(rates: Rates) -> str:
    """The rates of several groups, in few words."""
    scheduled = "scheduled " if any(len(group.course) > 1 for group in rates.groups) else ""
    courses = [*dict.fromkeys(course_text(group.course) for group in rates.groups)]
    told = " and ".join(courses)
    if len(courses) > _FEW:
        low, high = (scalar(rates.used[end]) for end in (0, -1))
        told = f"between {low} and {high}"
    return f"lr {scheduled}{told} in {len(rates.groups)} groups"


def _group(group: RateGroup, *, named: bool) -> str:
    where = " in the full steps" if group.sampled and len(group.course) > 1 else ""
    scheduled = "scheduled " if len(group.course) > 1 else ""
    settings = " and ".join(
        f"{_word(name)} {course_text(course)}" for name, course in group.settings
    )
    optimizer = " with ".join(filter(None, [group.optimizer, settings]))
    told = ", ".join(filter(None, [f"lr {scheduled}{course_text(group.course)}{where}", optimizer]))
    members = ", ".join(group.parameters[:_FEW])
    more = f" and {len(group.parameters) - _FEW} more" if len(group.parameters) > _FEW else ""
    return f"{told}: {members}{more}" if named and members else told


def _word(name: str) -> str:
    return name.replace("_", " ")


def _limit(at: Curvature) -> str:
    if math.isinf(at.stable_rate):
        return "at any lr: the loss does not curve up"
    limit = f"{_exact(at.stable_rate)} = 2 / {_exact(at.largest)}"
    return f"up to lr {limit} in plain gradient descent"


def _exact(value: float) -> str:
    """Five digits, which tell a rate from its limit."""
    return scalar(value, 5)
