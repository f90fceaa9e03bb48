"""Programs with one fault: the fault and its correction in one file.

Lines that end in ``# bug`` are the fault; lines behind ``# fix:`` stand in their place in the
corrected twin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["REPORTS", "Twins"]

REPORTS = Path(__file__).parent / "reports"

_BUG = "  # bug"
_FIX = re.compile(r"( *)# fix: (.*)")


@dataclass(frozen=True, slots=True)
class Twins:
    """One such program.

    Attributes:
        name: Its name.
        bug: The text with the fault.
        fixed: The text without it.
        lines: The lines of the fault, in ``bug``.
    """

    name: str
    bug: str
    fixed: str
    lines: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Take a file apart."""
        bug, fixed, lines = list[str](), list[str](), list[int]()
        for line in path.read_text("utf-8").splitlines():
            corrected = _FIX.fullmatch(line)
            if corrected:
                fixed.append(corrected[1] + corrected[2])
                continue
            bug.append(line.removesuffix(_BUG))
            if line.endswith(_BUG):
                lines.append(len(bug))
            else:
                fixed.append(line)
        return cls(path.stem, "\n".join(bug) + "\n", "\n".join(fixed) + "\n", tuple(lines))

    def write_bug(self, folder: Path) -> Path:
        """The program with its fault, as a file."""
        return self._write(folder / f"{self.name}.py", self.bug)

    def write_fixed(self, folder: Path) -> Path:
        """The corrected twin, as a file."""
        return self._write(folder / f"{self.name}_fixed.py", self.fixed)

    @staticmethod
    def _write(path: Path, text: str) -> Path:
        path.write_text(text, "utf-8")
        return path
