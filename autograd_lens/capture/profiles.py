"""Getting out of the way of PyTorch's profiler.

NOTE: its table counts every call of an operator and every dispatch mode that saw one. So no step is
recorded in full while it runs: those steps are light, and open by replay as others do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import profiler

__all__ = ["Profiles", "is_profiled"]


def is_profiled() -> bool:
    """Whether the profiler runs in this thread."""
    return bool(torch._C._autograd._profiler_enabled())


class Profiles:
    """Tells when the program starts the profiler.

    Args:
        begins: Called right before it runs.
    """

    def __init__(self, begins: Callable[[], None]) -> None:
        self._begins = begins
        self._original: object = None
        self._ours: object = None

    def install(self) -> None:
        """Begin to tell."""
        enable, begins = getattr(profiler, "_enable_profiler", None), self._begins
        if enable is None:
            return  # another version: then what runs already is seen by the profiler, too

        @functools.wraps(enable)
        def enable_alone(*args: Any, **kwargs: Any) -> Any:
            begins()
            return enable(*args, **kwargs)

        self._original, self._ours = enable, enable_alone
        vars(profiler)["_enable_profiler"] = enable_alone

    def remove(self) -> None:
        """Stop telling."""
        if self._ours is not None and vars(profiler)["_enable_profiler"] is self._ours:
            vars(profiler)["_enable_profiler"] = self._original
        self._original = self._ours = None
