"""Which steps are recorded at full level."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from autograd_lens.errors import SelectionError

__all__ = ["NEVER", "Schedule", "parse_schedule"]

NEVER = 2**62
_FIRST = 32  # steps that are recorded in full where all are to open

_HINT = 'Use "default", "none", "all", "every:100", or steps and ranges such as "0:10,500".'

# The first chosen step at or after a step; NEVER where there is none.
_Rule = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps to record in full.

    Attributes:
        text: What the user asked for.
        opens: Whether every step is to open in full, recorded so or by a replay.
    """

    text: str
    _rules: tuple[_Rule, ...]
    opens: bool = False

    def next(self, step: int) -> int:
        """The first chosen step at or after ``step``; ``NEVER`` where there is none."""
        return min(rule(step) for rule in self._rules)

    def spares(self, step: int) -> bool:
        """Whether only the default asks for a step."""
        return all(rule is _next_default or rule(step) != step for rule in self._rules)

    @property
    def by_default(self) -> bool:
        """Whether others may be added that serve a replay."""
        return _next_default in self._rules or self.opens

    def with_every(self, steps: int) -> Schedule:
        """The same steps, and each so many-th one."""
        return replace(self, _rules=(*self._rules, _every(steps)))

    def __contains__(self, step: int) -> bool:
        return self.next(step) == step


def parse_schedule(text: str) -> Schedule:
    """The steps to record in full, from the text a user gives.

    Args:
        text: ``default`` (0, 1, 2, then 5, 10, 20, 50, 100, ...), ``none``, ``all`` (those that
            no replay would open for sure, and the first 32), ``every:N``, or a comma-separated
            list of steps and ranges ``first:last``, the last one excluded; ``0:`` is every one.
            Parts may be combined: ``default,137``.

    Raises:
        SelectionError: The text is none of these.
    """
    parts = [part.strip() for part in text.split(",")]
    return Schedule(text, tuple(map(_parse_part, parts)), opens="all" in parts)


def _parse_part(part: str) -> _Rule:
    named: dict[str, _Rule] = {
        "default": _next_default,
        "none": lambda _step: NEVER,
        "all": lambda step: step if step < _FIRST else _next_default(step),
    }
    if part in named:
        return named[part]
    if match := re.fullmatch(r"every:([1-9]\d*)", part):
        return _every(int(match[1]))
    if match := re.fullmatch(r"(\d+)", part):
        return _range(int(match[1]), int(match[1]) + 1)
    if match := re.fullmatch(r"(\d*):(\d*)", part):
        return _range(int(match[1] or 0), int(match[2]) if match[2] else NEVER)
    msg = f"{part!r} is not a choice of steps."
    raise SelectionError(msg, hint=_HINT)


def _every(steps: int) -> _Rule:
    return lambda step: -(-step // steps) * steps


def _range(first: int, last: int) -> _Rule:
    def following(step: int) -> int:
        candidate = max(step, first)
        return candidate if candidate < last else NEVER

    return following


def _next_default(step: int) -> int:
    decade = 1
    if step <= 0:
        return 0
    while decade * 5 < step:
        decade *= 10
    return next(decade * part for part in (1, 2, 5) if decade * part >= step)
