"""The value that a parameter had when it ceased to exist.

NOTE 1 [Reading at the last moment]: a program that trains inside a function has dropped its
parameters when the recording ends, behind the last update. A weak reference is told before the
tensor's memory is given back, so the value can be read then, from the address where it was last
seen. Whether the memory there still is the tensor's own is told by a weak reference to the
storage: where ``.data`` was assigned since, the old storage is gone, and nothing is read.
"""

from __future__ import annotations

import contextlib
import weakref

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from autograd_lens.live.reading import RawValue, is_plain, read_memory

__all__ = ["LastValue"]


class LastValue:
    """Waits for the end of one parameter.

    Args:
        parameter: The parameter.
        limit: Largest size in bytes that is kept whole.

    Attributes:
        value: Its value at the end; None while it lives, and where it could not be read.
    """

    __slots__ = ("_address", "_dtype", "_limit", "_size", "_storage", "_watch", "value")

    def __init__(self, parameter: torch.Tensor, limit: int) -> None:
        self.value: RawValue = None
        self._limit = limit
        self._storage: StorageWeakRef | None = None
        self._address = self._size = 0
        self._dtype = parameter.dtype
        self._watch: object = weakref.ref(parameter, self._ends)

    def moved(self, parameter: torch.Tensor) -> None:
        """Take note of where its memory is now, where that is another place."""
        if not is_plain(parameter):
            self._storage = None
        elif parameter.data_ptr() != self._address or self._storage is None:
            self._storage = StorageWeakRef(parameter.untyped_storage())
            self._address, self._size = parameter.data_ptr(), parameter.nbytes

    def _ends(self, _reference: object) -> None:
        with contextlib.suppress(Exception):  # nobody could catch what a callback raises
            if self._storage is not None and not self._storage.expired():
                self.value = read_memory(self._address, self._size, self._dtype, self._limit)
