"""Sizes on a tape that follow from the size of the batch.

NOTE 1 [Guess, then prove]: a tape holds ``view(x, [16, -1])`` as it ran, with the sizes of the
batch that was recorded in full. The last batch of an epoch is often smaller, and its step never
recorded in full. Sizes that must change follow from the shape that really arrives: a view keeps
the number of elements, an expansion the sizes of what it expands. Whether that is what happened
is, as everywhere in replay, compared bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

__all__ = ["SIZED", "expanded", "fitted", "viewed"]

Shape = Sequence[int]

_VIEWS = frozenset({"aten.view.default", "aten._unsafe_view.default", "aten.reshape.default"})
_EXPAND = "aten.expand.default"

SIZED = _VIEWS | {_EXPAND}  # operators whose second argument is the shape of their result


def fitted(op: str, before: Shape, after: Shape, given: Shape) -> list[int] | None:
    """The sizes that an operator is called with where another shape arrives.

    Args:
        op: The operator, ``aten.view.default``.
        before: Shape of its first tensor as recorded.
        after: Shape of its result as recorded.
        given: Shape of its first tensor now.

    Returns:
        The shape of its result now; None where the operator takes none, or none is found.
    """
    if tuple(before) == tuple(given) or len(before) != len(given):
        return None
    if op in _VIEWS:
        return viewed(before, after, given)
    return expanded(before, after, given) if op == _EXPAND else None


def viewed(before: Shape, after: Shape, given: Shape) -> list[int] | None:
    """The shape of a view of another shape; dimensions are merged and split as they were.

    >>> viewed([16, 8, 4], [128, 4], [5, 8, 4])
    [40, 4]
    """
    result: list[int] = []
    for old, new, out in _groups(before, after, given):
        size = _scaled(old, new, out)
        if size is None:
            return None
        result += size
    return result


def expanded(before: Shape, after: Shape, given: Shape) -> list[int]:
    """The shape of an expansion of another shape; what was repeated is repeated as often.

    >>> expanded([16, 1], [2, 16, 7], [5, 1])
    [2, 5, 7]
    """
    added = len(after) - len(before)
    kept = zip(before, after[added:], given, strict=True)
    return [*after[:added], *(new if old == out else out for old, out, new in kept)]


def _groups(
    before: Shape, after: Shape, given: Shape
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """The least runs of dimensions that hold as many elements before and after.

    Yields:
        (before, now, after) of each run.
    """
    i = j = 0
    while i < len(before) or j < len(after):
        first, start = i, j
        i, j = min(i + 1, len(before)), min(j + 1, len(after))
        while (old := math.prod(before[first:i])) != (new := math.prod(after[start:j])):
            if old < new and i < len(before):
                i += 1
            elif j < len(after):
                j += 1
            else:
                break
        yield list(before[first:i]), list(given[first:i]), list(after[start:j])


def _scaled(old: Shape, new: Shape, out: Shape) -> list[int] | None:
    """The run ``out`` with as many elements as ``new``; one dimension takes the difference."""
    if list(old) == list(new):
        return list(out)
    if not out:
        return [] if math.prod(new) == 1 else None
    was, now = math.prod(old), math.prod(new)
    changed = next(size for size, other in zip(old, new, strict=True) if size != other)
    same = changed if len(old) > 1 else out[0]  # what was merged begins with the batch
    order = sorted(range(len(out)), key=lambda place: (out[place] != same, place))
    for place in order:
        if was and out[place] * now % was == 0:
            size = out[place] * now // was
            return [*out[:place], size, *out[place + 1 :]]
    return None
