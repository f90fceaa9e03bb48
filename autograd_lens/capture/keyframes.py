"""Parameters and optimizer state that are too large for every step, kept whole at some of them.

NOTE 1 [Between keyframes]: of a large parameter a light step keeps a digest. Its bytes follow
from those of an earlier step: replay makes the updates in between again, and the digest of each
step tells whether it did so right. The longer a run is, the further apart its keyframes are:
each is at least twice as far from the start as the one before, so a step is never replayed from
further back than half the way, while the budget lasts.

NOTE 2 [By content]: what is kept has no name in the file. A step's summaries hold digests, and
whoever needs the bytes looks among the file's large values for one of that digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from autograd_lens.live.reading import SMALL, read

__all__ = ["Keyframes"]

_APART = 5  # steps


class Keyframes:
    """Chooses the full steps at which large tensors are kept whole, and keeps them.

    Args:
        keep: Takes the bytes of one value.
        budget: Bytes that may be kept over the whole run.
    """

    def __init__(self, keep: Callable[[bytes], None], budget: int) -> None:
        self._keep = keep
        self._left = budget
        self._last: int | None = None

    def due(self, step: int) -> bool:
        """Whether the last keyframe is far enough behind a step (NOTE 1)."""
        return self._last is None or step >= max(2 * self._last, self._last + _APART)

    def take(self, step: int, tensors: Iterable[torch.Tensor]) -> None:
        """Keep what a step finds, all of it or, where the budget does not reach, nothing.

        Args:
            step: The step, before its update.
            tensors: Parameters, optimizer state, constants.
        """
        found = {id(one): one for one in tensors if _is_large(one)}
        size = sum(one.nbytes for one in found.values())
        self._last = step
        if size > self._left:
            return
        self._left -= size
        for tensor in found.values():
            value = read(tensor, tensor.nbytes)
            if isinstance(value, bytes):
                self._keep(value)


def _is_large(tensor: torch.Tensor) -> bool:
    """Whether a full step may hold no more than a summary of it."""
    return tensor.layout is torch.strided and not tensor.is_meta and tensor.nbytes > SMALL
