"""The steps of a trace as a sequence, each put together when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from autograd_lens.errors import NoSuchStepError
from autograd_lens.trace.cache import Recent
from autograd_lens.trace.records import Step

__all__ = ["Steps"]

_KEPT = 16


class Steps(Sequence[Step]):
    """All steps of a run.

    Args:
        count: How many there are.
        build: Puts one together.
    """

    def __init__(self, count: int, build: Callable[[int], Step]) -> None:
        self._count = count
        self._build = build
        self._kept: Recent[int, Step] = Recent(_KEPT)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        """One step, counted from the end where negative, or a list of steps.

        Raises:
            NoSuchStepError: There is none.
        """
        if isinstance(index, slice):
            return [self._get(step) for step in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise _no_such_step(index, self._count)
        return self._get(index % self._count)

    def __iter__(self) -> Iterator[Step]:
        return map(self._get, range(self._count))

    def _get(self, step: int) -> Step:
        return self._kept.made(step, self._build)


def _no_such_step(index: int, count: int) -> NoSuchStepError:
    if not count:
        return NoSuchStepError("The trace holds no steps.", hint="Did the program train at all?")
    hint = f"It has steps 0 to {count - 1}." if count > 1 else "It has step 0 alone."
    return NoSuchStepError(f"The trace has no step {index}.", hint=hint)
