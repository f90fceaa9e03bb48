"""Which frames of the stack are the program's own, and what they call their tensors."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

import autograd_lens
from autograd_lens.trace.records import Source

__all__ = ["UserFrames", "frame_names", "source_of"]

_OPTIMIZED = 0x1  # CO_OPTIMIZED: locals live in fast slots, f_locals is a snapshot


class UserFrames:
    """Tells the program's frames from those of torch, the standard library and this package.

    A library that is installed but builds models (``torchvision``, ``transformers``) counts as
    the program: its lines are what asked for the kernels.

    Attributes:
        known: What was found of each code object so far; read directly on hot paths.
    """

    def __init__(self) -> None:
        paths = sysconfig.get_paths()
        self._site = (paths["purelib"], paths["platlib"])
        self._foreign = (
            str(Path(torch.__file__).parent),
            str(Path(autograd_lens.__file__).parent),
            str(Path(sys.modules["numpy"].__file__ or "").parent),
            "<frozen",
        )
        self._stdlib = (paths["stdlib"], paths["platstdlib"])
        self.known: dict[CodeType, bool] = {}

    def is_user(self, code: CodeType) -> bool:
        """Whether the code belongs to the program."""
        known = self.known.get(code)
        if known is None:
            known = self.known[code] = self._classify(code.co_filename)
        return known

    def _classify(self, filename: str) -> bool:
        if filename.startswith(self._foreign):
            return False
        return not filename.startswith(self._stdlib) or filename.startswith(self._site)

    def innermost(self, frame: FrameType | None) -> FrameType | None:
        """The nearest frame of the program at or above ``frame``."""
        known = self.known
        while frame is not None:
            code = frame.f_code
            if known.get(code) or (code not in known and self.is_user(code)):
                return frame
            frame = frame.f_back
        return None

    def chain(self, frame: FrameType | None) -> Iterator[FrameType]:
        """All frames of the program at or above ``frame``, innermost first."""
        found = self.innermost(frame)
        while found is not None:
            yield found
            found = self.innermost(found.f_back)


def source_of(code: CodeType, lasti: int) -> Source:
    """The source position of one bytecode instruction.

    Args:
        code: Code object of the frame.
        lasti: The frame's ``f_lasti``.
    """
    positions = list(code.co_positions())
    index = lasti // 2
    line, end_line, column, end_column = (
        positions[index] if 0 <= index < len(positions) else (None,) * 4
    )
    first = line if line is not None else code.co_firstlineno
    return Source(
        file=code.co_filename,
        line=first,
        end_line=end_line if end_line is not None else first,
        column=column if column is not None else -1,
        end_column=end_column if end_column is not None else -1,
        function=code.co_name,
    )


def frame_names(frame: FrameType) -> Mapping[str, Any]:
    """The names a frame can see, its own before its module's.

    NOTE 1 [The snapshot of f_locals]: before Python 3.13, reading ``f_locals`` of a function
    fills a dictionary that stays with the frame and keeps every local alive until the
    function returns. A tensor that the program drops would live on. So a copy is taken and
    the snapshot emptied; the locals themselves are in fast slots and are not touched.
    """
    names = dict(frame.f_globals)
    snapshot = frame.f_locals
    names.update(snapshot)
    if frame.f_code.co_flags & _OPTIMIZED and isinstance(snapshot, dict):
        snapshot.clear()
    return names
