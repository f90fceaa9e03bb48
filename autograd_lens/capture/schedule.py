"""Which steps are recorded at full level."""

from __future__ import annotations

import re
from collections.abc import Callable

from autograd_lens.errors import SelectionError

__all__ = ["Schedule", "parse_schedule"]

Schedule = Callable[[int], bool]

_DECADE = (1, 2, 5)
_HINT = 'Use "default", "none", "all", "every:100", or steps and ranges such as "0:10,500".'


def parse_schedule(text: str) -> Schedule:
    """The steps to record in full, from the text a user gives.

    Args:
        text: ``default`` (0, 1, 2, then 5, 10, 20, 50, 100, ...), ``none``, ``all``,
            ``every:N``, or a comma-separated list of steps and ranges ``first:last``, the
            last one excluded. Parts may be combined: ``default,137``.

    Returns:
        A function that tells whether a step (from 0) is recorded in full.

    Raises:
        SelectionError: The text is none of these.
    """
    rules = [_parse_part(part.strip()) for part in text.split(",")]
    return lambda step: any(rule(step) for rule in rules)


def _parse_part(part: str) -> Schedule:
    named: dict[str, Schedule] = {
        "default": _is_default,
        "none": lambda _step: False,
        "all": lambda _step: True,
    }
    if part in named:
        return named[part]
    if match := re.fullmatch(r"every:([1-9]\d*)", part):
        every = int(match[1])
        return lambda step: step % every == 0
    if match := re.fullmatch(r"(\d+)", part):
        wanted = int(match[1])
        return lambda step: step == wanted
    if match := re.fullmatch(r"(\d*):(\d*)", part):
        first, last = int(match[1] or 0), int(match[2]) if match[2] else None
        return lambda step: first <= step and (last is None or step < last)
    msg = f"{part!r} is not a choice of steps."
    raise SelectionError(msg, hint=_HINT)


def _is_default(step: int) -> bool:
    if step == 0:
        return True
    while step % 10 == 0:
        step //= 10
    return step in _DECADE
