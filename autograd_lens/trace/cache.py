"""Keeping what was asked for last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import RLock
from typing import Generic, TypeVar

__all__ = ["Recent"]


K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Remembers the values that were used last, and lets go of the others; safe among threads.

    Args:
        most: How many are kept, or how much of them together where ``size`` is given; the
            newest is always kept.
        size: How much a value takes.
    """

    def __init__(self, most: int, size: Callable[[V], int] = lambda _: 1) -> None:
        self._most = most
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._taken = 0
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """What is kept under a key, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: K, value: V) -> V:
        """Keep a value, and return it."""
        with self._lock:
            self.forget(key)
            self._kept[key] = value
            self._taken += self._size(value)
            while self._taken > self._most and len(self._kept) > 1:
                self._taken -= self._size(self._kept.popitem(last=False)[1])
            return value

    def made(self, key: K, make: Callable[[K], V]) -> V:
        """What is kept under a key; made where nothing is. Nobody else makes it meanwhile."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            return self.put(key, make(key))

    def forget(self, key: K) -> None:
        """Let go of a key, where it is kept."""
        with self._lock:
            if key in self._kept:
                self._taken -= self._size(self._kept.pop(key))

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            self._taken = 0
