"""Which steps of a trace are meant by a text such as ``0:3,every:100,last``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from autograd_lens.errors import NoSuchStepError, SelectionError

__all__ = ["select_step", "select_steps"]

_HINT = 'Write steps and ranges such as "0,5,-1" or "0:3", or "every:100", "all", "last".'


def select_steps(text: str, count: int) -> tuple[int, ...]:
    """The steps that a text names, in its order, each once.

    Args:
        text: Comma-separated parts, each of them ``all``, ``last``, ``every:N``, a step
            (negative ones count from the end) or a range ``first:last``, the last one excluded
            and both optional.
        count: How many steps the trace has.

    Returns:
        Step numbers from 0 to ``count - 1``; at least one.

    Raises:
        SelectionError: A part is none of these; the message quotes it.
        NoSuchStepError: A part names a step or range that the trace does not have.
    """
    if count == 0:
        msg = "The trace has no steps yet."
        raise NoSuchStepError(msg, hint="Record a program that calls backward() at least once.")
    parts = (_select_part(part.strip(), text, count) for part in text.split(","))
    return tuple(dict.fromkeys(step for part in parts for step in part))


def select_step(text: str, count: int) -> int:
    """The one step that a text names.

    Raises:
        SelectionError: The text names several steps, or cannot be understood.
        NoSuchStepError: The trace does not have the step.
    """
    steps = select_steps(text, count)
    if len(steps) > 1:
        msg = f"One step is needed here; {text!r} names {len(steps):,}."
        raise SelectionError(msg, hint='Write one number, for example "0", or "last".')
    return steps[0]


def _select_part(part: str, text: str, count: int) -> Iterable[int]:
    if part == "all":
        return range(count)
    if part == "last":
        return (count - 1,)
    if match := re.fullmatch(r"every:([1-9]\d{0,17})", part):
        return range(0, count, int(match[1]))
    if re.fullmatch(r"-?\d{1,18}", part):
        return (_existing(int(part), count),)
    if match := re.fullmatch(r"(-?\d{1,18})?:(-?\d{1,18})?", part):
        return _existing_range(part, match[1], match[2], count)
    where = f" in {text!r}" if part != text else ""
    msg = f"{part!r}{where} is not a choice of steps."
    raise SelectionError(msg, hint=_HINT)


def _existing(step: int, count: int) -> int:
    if not -count <= step < count:
        msg = f"Step {step} is not in the trace, which has {_extent(count)}."
        raise NoSuchStepError(msg)
    return step % count


def _existing_range(part: str, first: str | None, last: str | None, count: int) -> range:
    bounds = slice(int(first) if first else None, int(last) if last else None)
    steps = range(count)[bounds]
    if not steps:
        msg = f"No step lies in {part!r}: the trace has {_extent(count)}."
        raise NoSuchStepError(msg)
    return steps


def _extent(count: int) -> str:
    return "only step 0" if count == 1 else f"steps 0 to {count - 1}"
