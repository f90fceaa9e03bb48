"""Which frames of the stack are the program's own, and what they call their tensors."""

from __future__ import annotations

import os
import sys
import sysconfig
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any

import torch
from torch import nn

import autograd_lens
from autograd_lens.trace.records import Source

__all__ = [
    "MODULE_CALL",
    "OUTSIDE",
    "ModulePaths",
    "Site",
    "UserFrames",
    "frame_names",
    "leave_out_frames",
    "locals_of",
    "source_of",
    "traceback_entries",
]

MODULE_CALL = nn.Module._call_impl.__code__
"""The code that every call of a module runs; its ``self`` is the module."""
OUTSIDE: tuple[str, bool | None] = ("", None)
"""The module of a kernel that no module runs."""

# id of the code object and the frame's f_lasti, or None where no frame is the program's.
Site = tuple[int, int] | None

_RUNNERS = ("_pytest", "pluggy", "xdist", "execnet")  # they run tests, in loops of their own
_OPTIMIZED = 0x1  # CO_OPTIMIZED: locals live in fast slots, f_locals is a snapshot
_FRESH_SNAPSHOT = 3  # references: the frame's, ours, and the one that getrefcount is given


class UserFrames:
    """Tells the program's frames from those of torch, the standard library and this package.

    What runs tests is no part of them either: its loops are none of the program's.

    A library that is installed but builds models (``torchvision``, ``transformers``) counts as
    the program: its lines are what asked for the kernels.

    Attributes:
        known: What was found of each code object so far, by ``id``: hashing a code object goes
            through all its constants. Read directly on hot paths.
    """

    def __init__(self) -> None:
        paths = sysconfig.get_paths()
        self._site = (paths["purelib"], paths["platlib"])
        packages = [torch, autograd_lens, sys.modules["numpy"]]
        packages += [sys.modules[name] for name in _RUNNERS if name in sys.modules]
        self._foreign = (*[_folder_of(package) for package in packages], "<frozen")
        self._stdlib = (paths["stdlib"], paths["platstdlib"])
        self.known: dict[int, bool] = {}
        self._codes: dict[int, CodeType] = {}

    def is_user(self, code: CodeType) -> bool:
        """Whether the code belongs to the program."""
        known = self.known.get(id(code))
        if known is None:
            self._codes[id(code)] = code
            known = self.known[id(code)] = self._classify(code.co_filename)
        return known

    def _classify(self, filename: str) -> bool:
        if filename.startswith(self._foreign):
            return False
        return not filename.startswith(self._stdlib) or filename.startswith(self._site)

    def innermost(self, frame: FrameType | None) -> FrameType | None:
        """The nearest frame of the program at or above ``frame``."""
        known = self.known
        while frame is not None:
            found = known.get(id(frame.f_code))
            if found or (found is None and self.is_user(frame.f_code)):
                return frame
            frame = frame.f_back
        return None

    def source_of(self, site: tuple[int, int]) -> Source:
        """The source position of a site of the program."""
        return source_of(self._codes[site[0]], site[1])

    def chain(self, frame: FrameType | None) -> Iterator[FrameType]:
        """All frames of the program at or above ``frame``, innermost first."""
        found = self.innermost(frame)
        while found is not None:
            yield found
            found = self.innermost(found.f_back)


def _folder_of(package: ModuleType) -> str:
    """Its folder with the separator behind it, so that ``torchvision`` is not ``torch``."""
    return str(Path(package.__file__ or "").parent) + os.sep


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
    the snapshot emptied; the locals themselves are in fast slots and are not touched. Only
    where the program holds the dictionary itself (``config = locals()``) is it left as it is.
    """
    names = dict(frame.f_globals)
    snapshot: Any = frame.f_locals
    names.update(snapshot)
    fresh = isinstance(snapshot, dict) and sys.getrefcount(snapshot) == _FRESH_SNAPSHOT
    if fresh and frame.f_code.co_flags & _OPTIMIZED:
        snapshot.clear()
    return names


def traceback_entries(error: BaseException) -> Iterator[TracebackType]:
    """The entries of an exception's traceback, outermost first."""
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def leave_out_frames(error: BaseException, file: str) -> None:
    """Take the outermost frames of a file of ours out of a traceback, which the program may print.

    A bare ``raise`` behind this does not put them back.
    """
    entries = traceback_entries(error)
    inner = (one for one in entries if one.tb_frame.f_code.co_filename != file)
    error.__traceback__ = next(inner, None)


def locals_of(frame: FrameType, *names: str) -> list[Any]:
    """Some local variables of a frame, None for one that it has not.

    Nothing is kept alive by asking (see ``frame_names``).
    """
    snapshot: Any = frame.f_locals
    values = [snapshot.get(name) for name in names]
    if isinstance(snapshot, dict) and sys.getrefcount(snapshot) == _FRESH_SNAPSHOT:
        snapshot.clear()
    return values


class ModulePaths:
    """Which module a frame runs in, as a path from its root.

    A submodule's path is the one its parameters carry (``layers.0``); the outermost module has
    no path of its own and is called by its class.

    NOTE 2 [Read off the stack]: a hook on modules, a global one too, is seen by the program: it
    takes an id, stands in the program's lists, is compiled by ``torch.compile``, and makes
    every call of a module slower. The stack says the same for nothing.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[nn.Module], str]] = {}

    def path_of(self, frame: FrameType) -> tuple[str, bool | None]:
        """The path of the module that ``frame``, of ``MODULE_CALL``, calls; whether it trains."""
        (module,) = locals_of(frame, "self")
        known = self._known.get(id(module))
        if known is None or known[0]() is not module:
            self._learn(frame, module)
            known = self._known[id(module)]
        return known[1], module.training

    def _learn(self, frame: FrameType, module: nn.Module) -> None:
        """Name all modules of the outermost one that is running, as its parameters are named."""
        root, outer = module, frame.f_back
        while outer is not None:
            if outer.f_code is MODULE_CALL:
                (root,) = locals_of(outer, "self")
            outer = outer.f_back
        for start in (root, module):  # it need not be a part of the one that calls it
            for path, part in start.named_modules():
                known = self._known.get(id(part))
                if known is None or known[0]() is not part:
                    self._known[id(part)] = (weakref.ref(part), path or type(start).__name__)
