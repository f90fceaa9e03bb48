"""Parameters and optimizer state that are too large for every step, kept whole at some of them.

NOTE 1 [Between keyframes]: of a large parameter a light step keeps a digest. Its bytes follow
from those of an earlier step: replay makes the updates in between again, and the digest of each
step tells whether it did so right. Keyframes lie at even distances. Where the budget does not
reach for another one, every second of them is let go, one by one from the start, until the
distance has doubled. The first step's stays. Where half of the budget is used up, keyframes have
to make do with half of their part from then on: replay gives what lies between them, and nothing
gives batches back that had no room.

NOTE 2 [By content]: what is kept has no name in the file. A step's summaries hold digests, and
whoever needs the bytes looks among the file's large values for one of that digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import torch

from autograd_lens.capture.schedule import NEVER
from autograd_lens.capture.sink import Sink
from autograd_lens.live.reading import SMALL, read
from autograd_lens.trace.budget import Level

__all__ = ["APART", "Keyframes"]

APART = 5  # steps
_LARGE, _LARGE_APART = 1 << 21, 20  # bytes of which a copy costs a part of a step
_SMALL_APART = 64  # where a copy holds nothing that light steps lack


class Keyframes:
    """Chooses the steps at which large tensors are kept whole, and keeps them.

    Args:
        sink: Takes the values.
        most: Bytes that all keyframes together may have.
        light: See the attribute.
        apart: Steps from one to the next, as long as they fit.
        always: Whether steps are wanted from which others can be executed, where nothing is large.

    Attributes:
        light: Bytes of a parameter that a light step keeps whole.
    """

    def __init__(
        self, sink: Sink, most: int, light: int, apart: int = APART, *, always: bool = False
    ) -> None:
        self._sink = sink
        self._most = min(most, sink.budget.keyframes)
        self.light = light
        self._apart = apart
        self._sizes: dict[int, int] = {}
        self._always = always
        self._medium = False  # whether light steps lack something where the file is half full
        self._needed = always  # whether there is anything that light steps lack
        self._halved = False

    def next(self, step: int) -> int:
        """The first keyframe at or after a step; ``NEVER`` where none is needed."""
        level = self._sink.budget.level
        needed = self._needed or (self._medium and level >= Level.DIGESTS)
        if not needed or level >= Level.ROWS:
            return NEVER
        return -(-step // self._apart) * self._apart

    def take(
        self, step: int, parameters: Iterable[torch.Tensor], others: Iterable[torch.Tensor]
    ) -> None:
        """Keep what a step finds, all of it or, where the budget does not reach, nothing.

        Args:
            step: The step, before its update.
            parameters: Parameters.
            others: Optimizer state, buffers, constants.
        """
        own = {id(one): one for one in parameters if _is_large(one, SMALL)}
        found = own | {id(one): one for one in others if _is_large(one, SMALL)}
        self._medium = bool(own)
        light = self.light if self._sink.budget.level < Level.DIGESTS else SMALL
        lacking = len(found) > len(own) or any(_is_large(one, light) for one in own.values())
        self._needed = lacking or self._always
        sizes = [one.nbytes for one in found.values()]
        size, largest = sum(sizes), max(sizes, default=0)
        if self._apart in {APART, _SMALL_APART}:
            self._apart = _LARGE_APART if size > _LARGE else APART if lacking else _SMALL_APART
        if self._needed and self._has_room(step, size, largest):
            self._sizes[step] = size
            self._put(step, found.values())
            self._sink.extra("keyframes", json.dumps(sorted(self._sizes)).encode())

    def begin(self, step: int, parameters: Iterable[torch.Tensor]) -> None:
        """Keep parameters that are met between two keyframes, as far as there is room.

        Args:
            step: The step, before its update.
            parameters: The parameters.
        """
        found = [one for one in parameters if _is_large(one, self.light)]
        size, largest = (
            sum(one.nbytes for one in found),
            max((one.nbytes for one in found), default=0),
        )
        fits = step not in self._sizes and sum(self._sizes.values()) + size <= self._most
        if found and fits and self._sink.budget.take(size, Level.ROWS, largest):
            self._most -= size
            self._put(step, found)

    def starts(self, step: int) -> bool:
        """Whether a step recorded in full has whole what light steps lack."""
        return not self._needed or step in self._sizes

    def forget(self, before: int) -> None:
        """Those of the steps before one are let go of."""
        self._sizes = {step: size for step, size in self._sizes.items() if step >= before}

    def keep(self, step: int, parameters: Iterable[torch.Tensor]) -> bool:
        """Keep the parameters of one step, whatever lies around it; tells whether they fit."""
        found = [one for one in parameters if _is_large(one, SMALL)]
        sizes = [one.nbytes for one in found]
        if not self._sink.budget.take(sum(sizes), Level.NOTHING, max(sizes, default=0)):
            return False
        self._put(step, found)
        return True

    def _put(self, step: int, tensors: Iterable[torch.Tensor]) -> None:
        """Hand the bytes of tensors to the writer, under the step that they are of."""
        values = [read(one, one.nbytes) for one in tensors]
        self._sink.keep(step, [value for value in values if isinstance(value, bytes)])

    def _has_room(self, step: int, size: int, largest: int) -> bool:
        """Whether a keyframe fits, where others are thinned for it (NOTE 1)."""
        if step in self._sizes:
            return False
        if not self._halved and self._sink.budget.level >= Level.DIGESTS:
            self._halved, self._most = True, self._most // 2
        while step % self._apart == 0 and sum(self._sizes.values()) + size > self._most:
            oldest = min(self._sizes, default=0)
            odd = [one for one in self._sizes if one % (2 * self._apart) and one != oldest]
            if odd:
                self._sink.keep(odd[0], [])
                self._sink.budget.give(self._sizes.pop(odd[0]))
            elif max(self._sizes, default=0) or self._apart < step:
                self._apart *= 2
            else:
                break
        first = not self._sizes and self._most > 0
        fits = first or sum(self._sizes.values()) + size <= self._most
        even = step % self._apart == 0
        return fits and even and self._sink.budget.take(size, Level.ROWS, largest)


def _is_large(tensor: torch.Tensor, limit: int) -> bool:
    return tensor.layout is torch.strided and not tensor.is_meta and tensor.nbytes > limit
