"""Noticing what torch warns the program of.

NOTE 1 [Where to listen]: ``warnings.showwarning`` belongs to the program, which may replace it,
and filters decide before it is called. Every warning that passes the filters, raised in Python
or in C++, is handed to ``warnings._showwarnmsg``, which calls whatever the program has put in
place. Listening there, and handing on what came, changes neither filters nor registries nor
what is printed; a warning that the program silenced, or turned into an error, is not heard.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch

from autograd_lens.live.frames import UserFrames

__all__ = ["TorchWarnings", "Warned"]

Warned = Callable[[str, str, str], None]
"""Called with the message, the program's file, and ``file:line: Category`` and the whole text."""

_TORCH = str(Path(torch.__file__).parent)
_FROM_CPP = "(Triggered internally at"  # torch ends the warnings of its C++ code so
_MOST = 100


class TorchWarnings:
    """Tells of torch's warnings, each once for each line of the program."""

    def __init__(self, frames: UserFrames, warned: Warned) -> None:
        self._frames = frames
        self._warned = warned
        self._seen: set[tuple[str, str, int]] = set()
        self._original: object = None
        self._listener: object = None

    def install(self) -> None:
        """Listen from now on."""
        self._original = original = getattr(warnings, "_showwarnmsg", None)
        if original is None:
            return

        def listen(message: warnings.WarningMessage) -> None:
            self._hear(message, sys._getframe(1))
            original(message)

        self._listener = listen
        warnings._showwarnmsg = listen  # type: ignore[attr-defined]

    def remove(self) -> None:
        """Stop listening."""
        if self._listener is not None and getattr(warnings, "_showwarnmsg", None) is self._listener:
            warnings._showwarnmsg = self._original  # type: ignore[attr-defined]
        self._listener = None

    def _hear(self, message: warnings.WarningMessage, frame: FrameType) -> None:
        try:
            text = str(message.message)
            if _FROM_CPP in text or frame.f_code.co_filename.startswith(_TORCH):
                self._tell(text, message, self._frames.innermost(frame))
        except Exception:  # noqa: BLE001, S110  the program's warning matters more than ours
            pass

    def _tell(self, text: str, message: warnings.WarningMessage, frame: FrameType | None) -> None:
        file, line = message.filename, message.lineno
        if frame is not None:
            file, line = frame.f_code.co_filename, frame.f_lineno
        if (text, file, line) in self._seen or len(self._seen) >= _MOST:
            return
        self._seen.add((text, file, line))
        short = text.partition(_FROM_CPP)[0].strip()
        place = f"{file}:{line}: {message.category.__name__}"
        self._warned(short.splitlines()[0] if short else place, file, f"{place}\n{text}")
